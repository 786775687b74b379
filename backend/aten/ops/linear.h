#pragma once

// aten::linear as one operator. torch composes it of views and addmm, which costs more than the
// small products of a model themselves, and under autocast casts the input ahead of each
// product; here a product in bfloat16 reads a float32 input as it is.

#include <optional>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

// For the device's key, and for its autograd key, where gradients are torch's to record.
at::Tensor linear(const at::Tensor& input, const at::Tensor& weight,
                  const std::optional<at::Tensor>& bias);

// Under autocast to `to`, without gradients; nothing where torch's way has to be taken.
std::optional<at::Tensor> autocast_linear(const at::Tensor& input, const at::Tensor& weight,
                                          const std::optional<at::Tensor>& bias,
                                          at::ScalarType to);

} // namespace xpu_lite::aten
