#pragma once

// Normalisations of rows: layer, RMS and group norm; weight norm.

#include <array>
#include <optional>
#include <tuple>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

std::tuple<Tensor, Tensor, Tensor> layer_norm(const Tensor& input, at::IntArrayRef shape,
                                              const OptionalTensor& weight,
                                              const OptionalTensor& bias, double eps);
std::tuple<Tensor, Tensor, Tensor> layer_norm_backward(
    const Tensor& grad, const Tensor& input, at::IntArrayRef shape, const Tensor& mean,
    const Tensor& rstd, const OptionalTensor& weight, const OptionalTensor& bias,
    std::array<bool, 3> mask);

std::tuple<Tensor, Tensor> rms_norm(const Tensor& input, at::IntArrayRef shape,
                                    const OptionalTensor& weight, std::optional<double> eps);
std::tuple<Tensor, Tensor> rms_norm_backward(const Tensor& grad, const Tensor& input,
                                             at::IntArrayRef shape, const Tensor& rstd,
                                             const OptionalTensor& weight,
                                             std::array<bool, 2> mask);

std::tuple<Tensor, Tensor, Tensor> group_norm(const Tensor& input, const OptionalTensor& weight,
                                              const OptionalTensor& bias, int64_t n, int64_t c,
                                              int64_t hw, int64_t groups, double eps);
std::tuple<Tensor, Tensor, Tensor> group_norm_backward(
    const Tensor& grad, const Tensor& input, const Tensor& mean, const Tensor& rstd,
    const OptionalTensor& weight, int64_t n, int64_t c, int64_t hw, int64_t groups,
    std::array<bool, 3> mask);

std::tuple<Tensor, Tensor> weight_norm(const Tensor& v, const Tensor& g, int64_t dim);
std::tuple<Tensor, Tensor> weight_norm_backward(const Tensor& grad, const Tensor& v,
                                                const Tensor& g, const Tensor& norms,
                                                int64_t dim);

} // namespace xpu_lite::aten::sycl
