#pragma once

// Elementwise operators whose torch functions are written for one kind of device.

#include <tuple>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

at::Tensor& eye_out(int64_t n, at::Tensor& out);
at::Tensor& eye_m_out(int64_t n, int64_t m, at::Tensor& out);

at::Tensor glu_backward(const at::Tensor& grad, const at::Tensor& self, int64_t dim);
at::Tensor& glu_backward_out(const at::Tensor& grad, const at::Tensor& self, int64_t dim,
                             at::Tensor& grad_input);

// The buffer is only for the CPU; here it is empty.
std::tuple<at::Tensor, at::Tensor> log_sigmoid_forward(const at::Tensor& self);
std::tuple<at::Tensor&, at::Tensor&> log_sigmoid_forward_out(const at::Tensor& self,
                                                             at::Tensor& output,
                                                             at::Tensor& buffer);
at::Tensor log_sigmoid_backward(const at::Tensor& grad, const at::Tensor& self,
                                const at::Tensor& buffer);
at::Tensor& log_sigmoid_backward_out(const at::Tensor& grad, const at::Tensor& self,
                                     const at::Tensor& buffer, at::Tensor& grad_input);

} // namespace xpu_lite::aten::sycl
