// narrow() into memory of its own. torch's function for all devices refuses other
// arguments, and with other exceptions, than its CPU does.

#include "backend/aten/sycl/narrow_copy.h"

#include <ATen/WrapDimUtils.h>

namespace xpu_lite::aten::sycl {
namespace {

using at::Tensor;

Tensor narrow_checked(const Tensor& self, int64_t dim, int64_t start, int64_t length) {
  TORCH_CHECK(self.dim() > 0, "narrow() cannot be applied to a 0-dim tensor.");
  if (dim < 0) dim = at::maybe_wrap_dim(dim, self.dim());
  TORCH_CHECK(dim < self.dim(), "narrow_copy: dimension ", dim, " of a tensor that has ",
              self.dim(), " of them");
  const int64_t size = self.size(dim);
  TORCH_CHECK_INDEX(-size <= start && start <= size,
                    "start out of range (expected to be in range of [", -size, ", ", size,
                    "], but got ", start, ")");
  if (start < 0) start += size;
  TORCH_CHECK(length >= 0 && start <= size - length, "start (", start, ") + length (", length,
              ") exceeds dimension size (", size, ").");
  return self.narrow(dim, start, length);
}

} // namespace

Tensor narrow_copy(const Tensor& self, int64_t dim, int64_t start, int64_t length) {
  return narrow_checked(self, dim, start, length).clone(at::MemoryFormat::Contiguous);
}

Tensor& narrow_copy_out(const Tensor& self, int64_t dim, int64_t start, int64_t length,
                        Tensor& out) {
  const Tensor part = narrow_checked(self, dim, start, length);
  TORCH_CHECK(self.dtype() == out.dtype(), "narrow_copy: expected out of dtype ", self.dtype(),
              ", got ", out.dtype());
  out.resize_(part.sizes()); // as on the CPU, without the warning of other operators
  return out.copy_(part);
}

} // namespace xpu_lite::aten::sycl
