#pragma once

// Dropout in one pass over memory: mask and result forward, one product backward.

#include <optional>
#include <tuple>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

// p is the probability of zero; the mask is bool.
std::tuple<at::Tensor, at::Tensor> native_dropout(const at::Tensor& input, double p,
                                                  std::optional<bool> train);
at::Tensor native_dropout_backward(const at::Tensor& grad, const at::Tensor& mask, double scale);

// p is the probability of keeping; the mask is uint8.
std::tuple<at::Tensor, at::Tensor> fused_dropout(const at::Tensor& self, double p,
                                                 std::optional<at::Generator> generator);
at::Tensor masked_scale(const at::Tensor& self, const at::Tensor& mask, double scale);

} // namespace xpu_lite::aten
