#pragma once

// xpu_lite::int8_linear and weight_only_linear: linear layers of quantised weights.
//
// int8_linear: weight int8 [n, k] with a scale for each row; products are summed in
// int32. Float input is quantised to uint8 on the way in: row by row from its own range,
// or by input_scale and input_zero where these are given. uint8 and int8 input needs them.
// With output_scale the result is quantised too.
//
// weight_only_linear: weight int8 [n, k], or int4 as uint8 [n, k / 2] (value + 8, the even
// column in the low half); W = (q - zero) * scale for each group of columns.

#include <optional>
#include <string_view>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

#define XPU_LITE_INT8_ARGUMENTS                                                               \
  const at::Tensor &input, const at::Tensor &weight, const at::Tensor &weight_scale,          \
      const std::optional<at::Tensor>&bias, const std::optional<at::Tensor>&input_scale,      \
      const std::optional<at::Tensor>&input_zero, const std::optional<at::Tensor>&input_factor, \
      std::string_view activation,                                                            \
      const std::optional<at::Tensor>&add, bool add_first, const std::optional<at::Tensor>&mul, \
      const std::optional<at::Tensor>&output_scale, const std::optional<at::Tensor>&output_zero, \
      std::optional<at::ScalarType> out_dtype

at::Tensor int8_linear_host(XPU_LITE_INT8_ARGUMENTS);
at::Tensor int8_linear_composed(XPU_LITE_INT8_ARGUMENTS);
at::Tensor int8_linear_meta(XPU_LITE_INT8_ARGUMENTS);
at::Tensor int8_linear_autocast(XPU_LITE_INT8_ARGUMENTS);

#define XPU_LITE_WEIGHT_ONLY_ARGUMENTS                                                      \
  const at::Tensor &input, const at::Tensor &weight, const at::Tensor &scale,               \
      const std::optional<at::Tensor>&zero, const std::optional<at::Tensor>&bias,           \
      int64_t group, std::string_view activation, const std::optional<at::Tensor>&add,      \
      bool add_first, const std::optional<at::Tensor>&mul

at::Tensor weight_only_linear_host(XPU_LITE_WEIGHT_ONLY_ARGUMENTS);
at::Tensor weight_only_linear_composed(XPU_LITE_WEIGHT_ONLY_ARGUMENTS);
at::Tensor weight_only_linear_meta(XPU_LITE_WEIGHT_ONLY_ARGUMENTS);
at::Tensor weight_only_linear_autocast(XPU_LITE_WEIGHT_ONLY_ARGUMENTS);

} // namespace xpu_lite::aten
