#pragma once

// Batch norm: training, evaluation, backward, and its pieces that SyncBatchNorm uses.

#include <array>
#include <optional>
#include <tuple>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;
using Tensors3 = std::tuple<Tensor, Tensor, Tensor>;

Tensors3 batch_norm(const Tensor& input, const OptionalTensor& weight, const OptionalTensor& bias,
                    const OptionalTensor& running_mean, const OptionalTensor& running_var,
                    bool training, double momentum, double eps);
Tensors3 batch_norm_legit(const Tensor& input, const OptionalTensor& weight,
                          const OptionalTensor& bias, Tensor& running_mean, Tensor& running_var,
                          bool training, double momentum, double eps);
Tensors3 batch_norm_no_stats(const Tensor& input, const OptionalTensor& weight,
                             const OptionalTensor& bias, bool training, double momentum,
                             double eps);
std::tuple<Tensor, Tensor, Tensor, Tensor> batch_norm_with_update(
    const Tensor& input, const OptionalTensor& weight, const OptionalTensor& bias,
    Tensor& running_mean, Tensor& running_var, double momentum, double eps);
Tensors3 batch_norm_backward(const Tensor& grad, const Tensor& input,
                             const OptionalTensor& weight, const OptionalTensor& running_mean,
                             const OptionalTensor& running_var, const OptionalTensor& save_mean,
                             const OptionalTensor& save_rstd, bool train, double eps,
                             std::array<bool, 3> mask);
Tensors3 batch_norm_backward_new(const Tensor& grad, const Tensor& input, const Tensor& weight,
                                 const OptionalTensor& running_mean,
                                 const OptionalTensor& running_var,
                                 const OptionalTensor& save_mean,
                                 const OptionalTensor& save_rstd, bool update, double eps,
                                 std::array<bool, 3> mask, const Tensor& reserve);
std::tuple<Tensor, Tensor> batch_norm_update_stats(const Tensor& input,
                                                   const OptionalTensor& running_mean,
                                                   const OptionalTensor& running_var,
                                                   double momentum);

std::tuple<Tensor, Tensor> batch_norm_stats(const Tensor& input, double eps);
Tensor batch_norm_elemt(const Tensor& input, const OptionalTensor& weight,
                        const OptionalTensor& bias, const Tensor& mean, const Tensor& invstd,
                        double eps);
Tensor& batch_norm_elemt_out(const Tensor& input, const OptionalTensor& weight,
                             const OptionalTensor& bias, const Tensor& mean,
                             const Tensor& invstd, double eps, Tensor& out);
std::tuple<Tensor, Tensor> batch_norm_gather_stats(
    const Tensor& input, const Tensor& mean, const Tensor& invstd,
    const OptionalTensor& running_mean, const OptionalTensor& running_var, double momentum,
    double eps, int64_t count);
std::tuple<Tensor, Tensor> batch_norm_gather_stats_with_counts(
    const Tensor& input, const Tensor& mean, const Tensor& invstd,
    const OptionalTensor& running_mean, const OptionalTensor& running_var, double momentum,
    double eps, const Tensor& counts);
std::tuple<Tensor, Tensor, Tensor, Tensor> batch_norm_backward_reduce(
    const Tensor& grad, const Tensor& input, const Tensor& mean, const Tensor& invstd,
    const OptionalTensor& weight, bool input_g, bool weight_g, bool bias_g);
Tensor batch_norm_backward_elemt(const Tensor& grad, const Tensor& input, const Tensor& mean,
                                 const Tensor& invstd, const OptionalTensor& weight,
                                 const Tensor& sum_dy, const Tensor& sum_dy_xmu,
                                 const Tensor& count);

} // namespace xpu_lite::aten::sycl
