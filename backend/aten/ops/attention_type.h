#pragma once

// Dtypes as the attention kernels name them.

#include <optional>

#include <c10/core/ScalarType.h>

#include "backend/cpu/kernels/attention.h"

namespace xpu_lite::aten {

inline std::optional<cpu::AttentionType> attention_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat: return cpu::AttentionType::Float;
    case at::kDouble: return cpu::AttentionType::Double;
    case at::kBFloat16: return cpu::AttentionType::BFloat16;
    case at::kHalf: return cpu::AttentionType::Half;
    default: return std::nullopt;
  }
}

} // namespace xpu_lite::aten
