#include "backend/aten/sycl/max_unpool.h"

#include <ATen/Context.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/empty.h>

#include "backend/aten/sycl/layout.h"
#include "backend/aten/sycl/refuse.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::IntArrayRef;
using at::Tensor;

void check_unpool(const Tensor& self, const Tensor& indices, IntArrayRef output_size, int dims) {
  TORCH_CHECK(indices.scalar_type() == at::kLong, "max_unpooling", dims,
              "d: elements in indices should be type int64 but got: ", indices.scalar_type());
  TORCH_CHECK(static_cast<int>(output_size.size()) == dims, "There should be exactly ", dims,
              " elements in output_size, but got ", output_size.size(), " elements.");
  TORCH_CHECK(self.dim() == dims + 1 || self.dim() == dims + 2, "Input to max_unpooling", dims,
              "d should be a ", dims + 1, "d or ", dims + 2, "d Tensor, but got a tensor with ",
              self.dim(), " dimensions.");
  TORCH_CHECK(self.sizes() == indices.sizes(),
              "Expected shape of indices to be same as that of the input tensor (", self.sizes(),
              ") but got indices tensor with shape: ", indices.sizes());
  refuse_if(at::isIntegralType(self.scalar_type(), /*includeBool=*/true),
            dims == 2 ? "max_unpool2d" : "max_unpool3d", self.scalar_type());
  for (int64_t d = 1; d < self.dim(); ++d) {
    TORCH_CHECK(self.size(d) > 0, "max_unpooling", dims,
                "d: Expected input to have non-zero size for non-batch dimensions, but got ",
                self.sizes(), " with dimension ", d, " being empty.");
  }
}

// An index outside of the output is an error of scatter's kernel.
Tensor& unpool_into(const Tensor& self, const Tensor& indices, IntArrayRef output_size,
                    at::MemoryFormat format, Tensor& out) {
  const auto dims = static_cast<int64_t>(output_size.size());
  at::DimVector sizes(self.sizes().slice(0, self.dim() - dims));
  sizes.append(output_size.begin(), output_size.end());
  if (at::native::resize_output(out, sizes) && format != at::MemoryFormat::Contiguous) {
    out.unsafeGetTensorImpl()->empty_tensor_restride(format);
  }
  const Written result(out, at::MemoryFormat::Contiguous);
  Tensor plane = result.get();
  plane.zero_();
  if (out.numel() != 0 && self.numel() != 0) {
    plane.flatten(-dims).scatter_(-1, indices.flatten(-dims), self.flatten(-dims));
  }
  result.finish();
  return out;
}

} // namespace

Tensor& max_unpool2d_out(const Tensor& self, const Tensor& indices, IntArrayRef output_size,
                         Tensor& out) {
  at::globalContext().alertNotDeterministic("max_unpooling2d_forward_out");
  check_unpool(self, indices, output_size, 2);
  return unpool_into(self, indices, output_size,
                     self.dim() == 4 ? self.suggest_memory_format() : at::MemoryFormat::Contiguous,
                     out);
}

Tensor max_unpool2d(const Tensor& self, const Tensor& indices, IntArrayRef output_size) {
  Tensor out = at::empty({0}, self.options());
  return max_unpool2d_out(self, indices, output_size, out);
}

Tensor& max_unpool3d_out(const Tensor& self, const Tensor& indices, IntArrayRef output_size,
                         IntArrayRef stride, IntArrayRef padding, Tensor& out) {
  at::globalContext().alertNotDeterministic("max_unpooling3d_forward_out");
  check_unpool(self, indices, output_size, 3);
  TORCH_CHECK(stride.size() == 3, "There should be exactly three elements (depth, height, width) "
              "in stride, but got: ", stride.size(), " elements.");
  TORCH_CHECK(padding.size() == 3, "There should be exactly three elements (depth, height, width) "
              "in padding, but got: ", padding.size(), " elements.");
  TORCH_CHECK(stride[0] > 0 && stride[1] > 0 && stride[2] > 0,
              "strides should be greater than zero, but got stride: ", stride);
  return unpool_into(self, indices, output_size, at::MemoryFormat::Contiguous, out);
}

Tensor max_unpool3d(const Tensor& self, const Tensor& indices, IntArrayRef output_size,
                    IntArrayRef stride, IntArrayRef padding) {
  Tensor out = at::empty({0}, self.options());
  return max_unpool3d_out(self, indices, output_size, stride, padding, out);
}

} // namespace xpu_lite::aten::sycl
