// The pooling operators that torch has no meta function for: max_pool3d and adaptive
// averages. Checks and errors are those of torch's CPU operators.

#include <ATen/native/Pool.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/empty.h>

#include "backend/aten/sycl/pooling.h"

namespace xpu_lite::aten::sycl {

namespace {

std::array<int64_t, 3> three(const char* what, IntArrayRef values, IntArrayRef otherwise = {}) {
  const bool given = !(values.empty() && !otherwise.empty());
  const IntArrayRef source = given ? values : otherwise;
  TORCH_CHECK(source.size() == 1 || source.size() == 3, "max_pool3d: ", what, " must ",
              otherwise.empty() ? "either be" : "either be omitted,",
              " a single int, or a tuple of three ints");
  if (source.size() == 1) return {source[0], source[0], source[0]};
  return {source[0], source[1], source[2]};
}

struct MaxPool3d {
  std::array<int64_t, 3> kernel, stride, padding, dilation;
  MaxPool3d(IntArrayRef k, IntArrayRef s, IntArrayRef p, IntArrayRef d)
      : kernel(three("kernel_size", k)), stride(three("stride", s, kernel)),
        padding(three("padding", p)), dilation(three("dilation", d)) {}

  Pooling pooling(const char* op, bool backward) const {
    return {op, 3, false, backward, kernel, stride, padding, dilation};
  }
};

void check_max_pool3d(const Tensor& self) {
  TORCH_CHECK(self.dim() == 4 || self.dim() == 5,
              "non-empty 4D or 5D (batch mode) tensor expected for input");
}

// The sizes of the output: `spatial` last.
std::vector<int64_t> sizes_with(const Tensor& self, IntArrayRef spatial) {
  std::vector<int64_t> sizes = self.sizes().vec();
  std::copy(spatial.begin(), spatial.end(), sizes.end() - spatial.size());
  return sizes;
}

void resize_like(const Tensor& out, const Tensor& self, IntArrayRef sizes) {
  if (!at::native::resize_output(out, sizes)) return;
  if (self.dim() >= 4) out.unsafeGetTensorImpl()->empty_tensor_restride(self.suggest_memory_format());
}

void check_adaptive(const Tensor& self, IntArrayRef output_size, int dims) {
  TORCH_CHECK(static_cast<int>(output_size.size()) == dims, "adaptive_avg_pool", dims,
              "d: output_size must be ", dims);
  TORCH_CHECK(self.dim() == dims + 1 || self.dim() == dims + 2, "adaptive_avg_pool", dims,
              "d(): Expected ", dims + 1, "D or ", dims + 2, "D tensor, but got ", self.sizes());
  for (int64_t d = self.dim() - dims; d < self.dim(); ++d) {
    TORCH_CHECK(self.size(d) > 0, "adaptive_avg_pool", dims,
                "d(): Expected input to have non-zero size for non-batch dimensions, but input "
                "has sizes ", self.sizes(), " with dimension ", d, " being empty");
  }
}

void check_adaptive_backward(const Tensor& grad_output, const Tensor& self, int dims) {
  TORCH_CHECK(grad_output.dim() == self.dim() && (self.dim() == dims + 1 || self.dim() == dims + 2),
              "adaptive_avg_pool", dims, "d_backward(): Expected ", dims + 1, "D or ", dims + 2,
              "D tensors, but got ", self.sizes(), " and gradient ", grad_output.sizes());
  for (int64_t d = 1; d < grad_output.dim(); ++d) {
    TORCH_CHECK(grad_output.size(d) > 0, "adaptive_avg_pool", dims,
                "d_backward(): Expected grad_output to have non-zero size for non-batch "
                "dimensions, but grad_output has sizes ", grad_output.sizes(),
                " with dimension ", d, " being empty");
  }
  TORCH_CHECK(self.dtype() == grad_output.dtype(), "expected dtype ", self.dtype(),
              " for `grad_output` but got dtype ", grad_output.dtype());
}

Tensor empty_like_format(const Tensor& self, IntArrayRef sizes) {
  const auto format = self.dim() >= 4 ? self.suggest_memory_format() : at::MemoryFormat::Contiguous;
  return at::empty(sizes, self.options().memory_format(format));
}

} // namespace

std::tuple<Tensor&, Tensor&> max_pool3d_out(const Tensor& self, IntArrayRef kernel,
                                            IntArrayRef stride, IntArrayRef padding,
                                            IntArrayRef dilation, bool ceil_mode, Tensor& out,
                                            Tensor& indices) {
  const MaxPool3d p(kernel, stride, padding, dilation);
  check_max_pool3d(self);
  std::array<int64_t, 3> size;
  for (int d = 0; d < 3; ++d) {
    size[d] = at::native::pooling_output_shape<int64_t>(
        self.size(d - 3), p.kernel[d], p.padding[d], p.stride[d], p.dilation[d], ceil_mode);
  }
  at::native::pool3d_shape_check(
      self, self.size(-4), p.kernel[0], p.kernel[1], p.kernel[2], p.stride[0], p.stride[1],
      p.stride[2], p.padding[0], p.padding[1], p.padding[2], p.dilation[0], p.dilation[1],
      p.dilation[2], self.size(-3), self.size(-2), self.size(-1), size[0], size[1], size[2],
      "max_pool3d_with_indices()");
  const std::vector<int64_t> sizes = sizes_with(self, size);
  resize_like(out, self, sizes);
  resize_like(indices, self, sizes);
  max_forward(p.pooling("max_pool3d_with_indices", false), self, out, indices);
  return {out, indices};
}

std::tuple<Tensor, Tensor> max_pool3d(const Tensor& self, IntArrayRef kernel,
                                      IntArrayRef stride, IntArrayRef padding,
                                      IntArrayRef dilation, bool ceil_mode) {
  Tensor out = at::empty({0}, self.options());
  Tensor indices = at::empty({0}, self.options().dtype(at::kLong));
  max_pool3d_out(self, kernel, stride, padding, dilation, ceil_mode, out, indices);
  return {out, indices};
}

Tensor& max_pool3d_backward_out(const Tensor& grad_output, const Tensor& self,
                                IntArrayRef kernel, IntArrayRef stride, IntArrayRef padding,
                                IntArrayRef dilation, bool ceil_mode, const Tensor& indices,
                                Tensor& grad_input) {
  const MaxPool3d p(kernel, stride, padding, dilation);
  check_max_pool3d(self);
  at::native::max_pool3d_backward_shape_check(
      self, grad_output, indices, self.size(-4), p.kernel[0], p.kernel[1], p.kernel[2],
      p.stride[0], p.stride[1], p.stride[2], p.padding[0], p.padding[1], p.padding[2],
      p.dilation[0], p.dilation[1], p.dilation[2], self.size(-3), self.size(-2), self.size(-1),
      grad_output.size(-3), grad_output.size(-2), grad_output.size(-1),
      "max_pool3d_with_indices_backward()");
  resize_like(grad_input, self, self.sizes());
  max_backward(p.pooling("max_pool3d_with_indices_backward", true), self, grad_output, indices,
               grad_input);
  return grad_input;
}

Tensor max_pool3d_backward(const Tensor& grad_output, const Tensor& self, IntArrayRef kernel,
                           IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation,
                           bool ceil_mode, const Tensor& indices) {
  Tensor grad_input = at::empty({0}, self.options());
  return max_pool3d_backward_out(grad_output, self, kernel, stride, padding, dilation, ceil_mode,
                                 indices, grad_input);
}

Tensor& adaptive_avg_pool2d_out(const Tensor& self, IntArrayRef output_size, Tensor& out) {
  check_adaptive(self, output_size, 2);
  TORCH_CHECK(self.dtype() == out.dtype(), "expected dtype ", self.dtype(),
              " for `output` but got dtype ", out.dtype());
  resize_like(out, self, sizes_with(self, output_size));
  avg_forward({"adaptive_avg_pool2d", 2, true, false}, self, out);
  return out;
}

Tensor adaptive_avg_pool2d(const Tensor& self, IntArrayRef output_size) {
  check_adaptive(self, output_size, 2);
  const Tensor out = empty_like_format(self, sizes_with(self, output_size));
  avg_forward({"adaptive_avg_pool2d", 2, true, false}, self, out);
  return out;
}

Tensor adaptive_avg_pool2d_backward(const Tensor& grad_output, const Tensor& self) {
  check_adaptive_backward(grad_output, self, 2);
  const Tensor grad_input = empty_like_format(self, self.sizes());
  avg_backward({"adaptive_avg_pool2d_backward", 2, true, true}, self, grad_output, grad_input);
  return grad_input;
}

Tensor& adaptive_avg_pool3d_out(const Tensor& self, IntArrayRef output_size, Tensor& out) {
  check_adaptive(self, output_size, 3);
  TORCH_CHECK(self.dtype() == out.dtype(), "expected dtype ", self.dtype(),
              " for `output` but got dtype ", out.dtype());
  at::native::resize_output(out, sizes_with(self, output_size));
  avg_forward({"adaptive_avg_pool3d", 3, true, false}, self, out);
  return out;
}

Tensor adaptive_avg_pool3d(const Tensor& self, IntArrayRef output_size) {
  Tensor out = at::empty({0}, self.options());
  return adaptive_avg_pool3d_out(self, output_size, out);
}

Tensor& adaptive_avg_pool3d_backward_out(const Tensor& grad_output, const Tensor& self,
                                         Tensor& grad_input) {
  check_adaptive_backward(grad_output, self, 3);
  at::native::resize_output(grad_input, self.sizes());
  avg_backward({"adaptive_avg_pool3d_backward", 3, true, true}, self, grad_output, grad_input);
  return grad_input;
}

Tensor adaptive_avg_pool3d_backward(const Tensor& grad_output, const Tensor& self) {
  Tensor grad_input = at::empty({0}, self.options());
  return adaptive_avg_pool3d_backward_out(grad_output, self, grad_input);
}

} // namespace xpu_lite::aten::sycl
