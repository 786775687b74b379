#pragma once

// nll_loss, nll_loss2d (behind cross_entropy) and binary_cross_entropy.

#include <optional>
#include <tuple>

#include <ATen/core/Tensor.h>
#include <ATen/ops/nll_loss_backward_native.h>
#include <ATen/ops/nll_loss_forward_native.h>

namespace xpu_lite::aten::sycl {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

struct structured_nll_loss : at::meta::structured_nll_loss_forward {
  void impl(const Tensor& self, const Tensor& target, at::OptionalTensorRef weight,
            int64_t reduction, int64_t ignore_index, const Tensor& output,
            const Tensor& total_weight);
};
struct structured_nll_loss_backward : at::meta::structured_nll_loss_backward {
  void impl(const Tensor& grad_output, const Tensor& self, const Tensor& target,
            at::OptionalTensorRef weight, int64_t reduction, int64_t ignore_index,
            const Tensor& total_weight, const Tensor& grad_input);
};

std::tuple<Tensor, Tensor> nll_loss2d(const Tensor& self, const Tensor& target,
                                      const OptionalTensor& weight, int64_t reduction,
                                      int64_t ignore_index);
std::tuple<Tensor&, Tensor&> nll_loss2d_out(const Tensor& self, const Tensor& target,
                                            const OptionalTensor& weight, int64_t reduction,
                                            int64_t ignore_index, Tensor& output,
                                            Tensor& total_weight);
Tensor nll_loss2d_backward(const Tensor& grad_output, const Tensor& self, const Tensor& target,
                           const OptionalTensor& weight, int64_t reduction,
                           int64_t ignore_index, const Tensor& total_weight);
Tensor& nll_loss2d_backward_out(const Tensor& grad_output, const Tensor& self,
                                const Tensor& target, const OptionalTensor& weight,
                                int64_t reduction, int64_t ignore_index,
                                const Tensor& total_weight, Tensor& grad_input);

Tensor binary_cross_entropy(const Tensor& self, const Tensor& target,
                            const OptionalTensor& weight, int64_t reduction);
Tensor& binary_cross_entropy_out(const Tensor& self, const Tensor& target,
                                 const OptionalTensor& weight, int64_t reduction, Tensor& out);
Tensor binary_cross_entropy_backward(const Tensor& grad, const Tensor& self,
                                     const Tensor& target, const OptionalTensor& weight,
                                     int64_t reduction);
Tensor& binary_cross_entropy_backward_out(const Tensor& grad, const Tensor& self,
                                          const Tensor& target, const OptionalTensor& weight,
                                          int64_t reduction, Tensor& grad_input);

} // namespace xpu_lite::aten::sycl
