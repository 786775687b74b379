#pragma once

// What the operators of 8-bit weights share: the checks of scales and of the result's dtype,
// and dtypes as the int8 kernels name them.

#include <optional>

#include <ATen/core/Tensor.h>

#include "backend/aten/ops/linear_operands.h"

namespace xpu_lite::aten {

inline bool is_byte(at::ScalarType type) { return type == at::kByte || type == at::kChar; }

// An Int8Input or Int8Output.
template <class Operand>
std::optional<Operand> int8_operand(at::ScalarType type) {
  switch (type) {
    case at::kByte: return Operand::U8;
    case at::kChar: return Operand::S8;
    case at::kFloat: return Operand::Float;
    case at::kBFloat16: return Operand::BFloat16;
    case at::kHalf: return Operand::Half;
    default: return std::nullopt;
  }
}

// `value` is absent or one number of `type`.
void check_int8_scalar(const char* name, const char* which, const std::optional<at::Tensor>& value,
                  at::ScalarType type);

// A scale for each of the weight's `n` outputs; input a float, or bytes with their scale;
// a result that is quantised exactly where output_scale says so.
void check_int8_scales(const char* name, const at::Tensor& input, const at::Tensor& weight_scale,
                       const at::SymInt& n, const std::optional<at::Tensor>& input_scale,
                       const std::optional<at::Tensor>& input_zero,
                       const std::optional<at::Tensor>& output_scale,
                       const std::optional<at::Tensor>& output_zero,
                       std::optional<at::ScalarType> out_dtype);

} // namespace xpu_lite::aten
