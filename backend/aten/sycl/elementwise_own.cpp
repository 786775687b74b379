#include "backend/aten/sycl/elementwise_own.h"

#include <ATen/WrapDimUtils.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "backend/aten/sycl/elementwise.h"

namespace xpu_lite::aten::sycl {

using at::Tensor;

Tensor& eye_m_out(int64_t n, int64_t m, Tensor& out) {
  TORCH_CHECK(n >= 0, "n must be greater or equal to 0, got ", n);
  TORCH_CHECK(m >= 0, "m must be greater or equal to 0, got ", m);
  const at::ScalarType type = out.scalar_type();
  TORCH_CHECK_NOT_IMPLEMENTED(!at::isBarebonesUnsignedType(type) && type != at::kComplexHalf,
                              "\"eye\" not implemented for '", type, "'");
  out.resize_({n, m});
  out.zero_();
  if (n != 0 && m != 0) out.diagonal().fill_(1);
  return out;
}

Tensor& eye_out(int64_t n, Tensor& out) { return eye_m_out(n, n, out); }

Tensor& glu_backward_out(const Tensor& grad, const Tensor& self, int64_t dim,
                         Tensor& grad_input) {
  TORCH_CHECK(self.dim() > 0, "glu does not support 0-dimensional tensors");
  const int64_t along = at::maybe_wrap_dim(dim, self.dim());
  const int64_t size = self.size(along);
  TORCH_CHECK(size % 2 == 0, "Halving dimension must be even, but dimension ", along, " is size ",
              size);
  at::native::resize_output(grad_input, self.sizes());
  const Tensor first = self.narrow(along, 0, size / 2);
  const Tensor second = self.narrow(along, size / 2, size / 2);
  for (const bool half : {false, true}) {
    const Tensor part = grad_input.narrow(along, half ? size / 2 : 0, size / 2);
    auto iter = at::TensorIteratorConfig()
                    .add_output(part)
                    .add_const_input(first)
                    .add_const_input(second)
                    .add_const_input(grad)
                    .resize_outputs(false)
                    .build();
    pointwise("glu_backward", iter, half ? "glu_backward_second" : "glu_backward_first", {},
              {.type = self.scalar_type()});
  }
  return grad_input;
}

Tensor glu_backward(const Tensor& grad, const Tensor& self, int64_t dim) {
  Tensor grad_input = at::empty({0}, self.options());
  return glu_backward_out(grad, self, dim, grad_input);
}

std::tuple<Tensor&, Tensor&> log_sigmoid_forward_out(const Tensor& self, Tensor& output,
                                                     Tensor& buffer) {
  output.resize_as_(self); // as on the CPU, without the warning of other operators
  auto iter = at::TensorIterator::unary_op(output, self);
  pointwise("log_sigmoid", iter, "log_sigmoid");
  return std::forward_as_tuple(output, buffer);
}

std::tuple<Tensor, Tensor> log_sigmoid_forward(const Tensor& self) {
  Tensor output = at::empty_like(self, at::MemoryFormat::Contiguous);
  Tensor buffer = at::empty({0}, self.options());
  log_sigmoid_forward_out(self, output, buffer);
  return {output, buffer};
}

Tensor& log_sigmoid_backward_out(const Tensor& grad, const Tensor& self, const Tensor&,
                                 Tensor& grad_input) {
  auto iter = at::TensorIteratorConfig()
                  .add_output(grad_input)
                  .add_const_input(self)
                  .add_const_input(grad)
                  .build();
  pointwise("log_sigmoid_backward", iter, "log_sigmoid_backward", {},
            {.type = self.scalar_type()});
  return grad_input;
}

Tensor log_sigmoid_backward(const Tensor& grad, const Tensor& self, const Tensor& buffer) {
  Tensor grad_input = at::empty_like(grad);
  return log_sigmoid_backward_out(grad, self, buffer, grad_input);
}

} // namespace xpu_lite::aten::sycl
