#pragma once

// Softmax and log-softmax, forward and backward.

#include <ATen/ops/_log_softmax_backward_data_meta.h>
#include <ATen/ops/_log_softmax_meta.h>
#include <ATen/ops/_softmax_backward_data_meta.h>
#include <ATen/ops/_softmax_meta.h>

namespace xpu_lite::aten::sycl {

struct structured_softmax : at::meta::structured__softmax {
  void impl(const at::Tensor& self, int64_t dim, bool half_to_float, const at::Tensor& out);
};
struct structured_log_softmax : at::meta::structured__log_softmax {
  void impl(const at::Tensor& self, int64_t dim, bool half_to_float, const at::Tensor& out);
};
struct structured_softmax_backward : at::meta::structured__softmax_backward_data {
  void impl(const at::Tensor& grad, const at::Tensor& output, int64_t dim,
            at::ScalarType input_dtype, const at::Tensor& grad_input);
};
struct structured_log_softmax_backward : at::meta::structured__log_softmax_backward_data {
  void impl(const at::Tensor& grad, const at::Tensor& output, int64_t dim,
            at::ScalarType input_dtype, const at::Tensor& out);
};

at::Tensor masked_softmax(const at::Tensor& self, const at::Tensor& mask,
                          std::optional<int64_t> dim, std::optional<int64_t> mask_type);
at::Tensor masked_softmax_backward(const at::Tensor& grad, const at::Tensor& output,
                                   const at::Tensor& mask, std::optional<int64_t> dim);

} // namespace xpu_lite::aten::sycl
