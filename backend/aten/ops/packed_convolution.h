#pragma once

// Convolutions by the host engine's own kernel, with filters that stay packed
// (Note [Packed weights]); and xpu_lite::convolution, which adds what follows one.

#include <array>
#include <optional>
#include <string_view>
#include <tuple>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

// aten::_convolution: ours for the convolutions where it was measured to be faster, torch's
// kernels on CPU aliases for all others. The output's memory format is the one that torch
// chooses: channels last if the input or the weight has it.
at::Tensor convolution(const at::Tensor& input, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
                       at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_padding, int64_t groups, bool benchmark,
                       bool deterministic, bool cudnn_enabled, bool allow_tf32);

// aten::convolution_backward: the gradient of the input is a convolution, too, where the
// stride is 1; that of the filter has a kernel of its own; the others are torch's.
std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor& grad_output, const at::Tensor& input, const at::Tensor& weight,
    at::OptionalIntArrayRef bias_sizes, at::IntArrayRef stride, at::IntArrayRef padding,
    at::IntArrayRef dilation, bool transposed, at::IntArrayRef output_padding, int64_t groups,
    std::array<bool, 3> output_mask);

#define XPU_LITE_CONVOLUTION_ARGUMENTS                                                      \
  const at::Tensor &input, const at::Tensor &weight, const std::optional<at::Tensor>&bias,  \
      at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,            \
      int64_t groups, std::string_view activation, const std::optional<at::Tensor>&add

// activation(convolution + bias + add), channels last where there are four dimensions.
at::Tensor fused_convolution_host(XPU_LITE_CONVOLUTION_ARGUMENTS);
// By plain operators of torch: any device, and differentiable.
at::Tensor fused_convolution_composed(XPU_LITE_CONVOLUTION_ARGUMENTS);
at::Tensor fused_convolution_autograd(XPU_LITE_CONVOLUTION_ARGUMENTS);
at::Tensor fused_convolution_autocast(XPU_LITE_CONVOLUTION_ARGUMENTS);

} // namespace xpu_lite::aten
