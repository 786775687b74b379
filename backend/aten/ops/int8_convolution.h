#pragma once

// xpu_lite::int8_convolution: activation(conv(input, weight) + bias + add) in two dimensions
// for an int8 weight [out, in, height, width] with a scale for each output channel. Float
// input is quantised to uint8 by input_scale and input_zero on the way in; uint8 and int8
// input has them already. With output_scale the result is quantised too, so that a chain
// of convolutions stays in integers; `add` may be quantised as well (add_scale, add_zero).
// The output has channels last.

#include <optional>
#include <string_view>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

#define XPU_LITE_INT8_CONVOLUTION_ARGUMENTS                                                     \
  const at::Tensor &input, const at::Tensor &weight, const at::Tensor &weight_scale,            \
      const std::optional<at::Tensor>&bias, at::IntArrayRef stride, at::IntArrayRef padding,    \
      at::IntArrayRef dilation, const at::Tensor &input_scale,                                  \
      const std::optional<at::Tensor>&input_zero, std::string_view activation,                  \
      const std::optional<at::Tensor>&add, const std::optional<at::Tensor>&add_scale,           \
      const std::optional<at::Tensor>&add_zero, const std::optional<at::Tensor>&output_scale,   \
      const std::optional<at::Tensor>&output_zero, std::optional<at::ScalarType> out_dtype

at::Tensor int8_convolution_host(XPU_LITE_INT8_CONVOLUTION_ARGUMENTS);
at::Tensor int8_convolution_composed(XPU_LITE_INT8_CONVOLUTION_ARGUMENTS);
at::Tensor int8_convolution_meta(XPU_LITE_INT8_CONVOLUTION_ARGUMENTS);
at::Tensor int8_convolution_autocast(XPU_LITE_INT8_CONVOLUTION_ARGUMENTS);

} // namespace xpu_lite::aten
