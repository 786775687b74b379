#pragma once

// The kernels' names of torch's element types.

#include <ATen/core/Tensor.h>

#include "backend/cpu/kernels/random_fill.h"

namespace xpu_lite::aten {

inline std::optional<cpu::RandomType> random_type(at::ScalarType type) {
  using cpu::RandomType;
  switch (type) {
    case at::kBool: return RandomType::Bool;
    case at::kByte: return RandomType::UInt8;
    case at::kChar: return RandomType::Int8;
    case at::kShort: return RandomType::Int16;
    case at::kInt: return RandomType::Int32;
    case at::kLong: return RandomType::Int64;
    case at::kUInt16: return RandomType::UInt16;
    case at::kUInt32: return RandomType::UInt32;
    case at::kUInt64: return RandomType::UInt64;
    case at::kHalf: return RandomType::Half;
    case at::kBFloat16: return RandomType::BFloat16;
    case at::kFloat: return RandomType::Float;
    case at::kDouble: return RandomType::Double;
    default: return std::nullopt;
  }
}

} // namespace xpu_lite::aten
