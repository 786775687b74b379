#include <ATen/ops/addbmm_native.h>
#include <ATen/ops/addr.h>
#include <torch/library.h>

namespace xpu_lite::aten::sycl {
namespace {

// torch's composite takes a `self` that broadcasts; in place, the CPU refuses it.
at::Tensor& addr_(at::Tensor& self, const at::Tensor& vec1, const at::Tensor& vec2,
                  const at::Scalar& beta, const at::Scalar& alpha) {
  if (vec1.dim() == 1 && vec2.dim() == 1) {
    TORCH_CHECK(self.dim() == 2, "2D tensor expected, got ", self.dim(), "D tensor for input");
    TORCH_CHECK(self.size(0) == vec1.size(0) && self.size(1) == vec2.size(0),
                "size mismatch, input: ", self.sizes(), ", v1: ", vec1.sizes(),
                ", v2: ", vec2.sizes());
  }
  return at::addr_out(self, self, vec1, vec2, beta, alpha);
}

} // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  // torch's loop of addmm over the batch.
  m.impl("addbmm", TORCH_FN(at::native::addbmm));
  m.impl("addbmm_", TORCH_FN(at::native::addbmm_));
  m.impl("addr_", TORCH_FN(addr_));
  m.impl("addbmm.out", TORCH_FN(at::native::addbmm_out));
}

} // namespace xpu_lite::aten::sycl
