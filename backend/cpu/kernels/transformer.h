#pragma once

// What stands between the products of a transformer: activations, layer norm, and the sum of a
// branch in 16 bits and a residual stream in float32, as autocast has it. One call handles one
// range, on the calling thread.

#include <cstdint>

#include "backend/cpu/dispatch.h"
#include "backend/cpu/gemm/packed_gemm.h"

namespace xpu_lite::cpu {

// Each row of `columns` numbers, dense: (x - mean) * rstd * weight + bias.
struct LayerNorm {
  int64_t rows, columns;
  double eps;
  const void* input;
  DType dtype; // of input and out: Float, BFloat16 or Half
  const void *weight, *bias; // of `columns`, or null
  DType parameter_dtype;
  void* out;
  void *mean, *rstd; // of `rows`, of statistic_dtype
  DType statistic_dtype;
};

} // namespace xpu_lite::cpu

// out = activation(x); Float, BFloat16 and Half.
XPU_LITE_DECLARE_KERNEL(activate_range, void(gemm::Activation, DType, void* out, const void* x,
                                             int64_t n));
// Rows [first, last).
XPU_LITE_DECLARE_KERNEL(layer_norm_rows, void(const LayerNorm&, int64_t first, int64_t last));
// out = a + b, b of BFloat16 or Half.
XPU_LITE_DECLARE_KERNEL(add_narrow, void(float* out, const float* a, const void* b, DType, int64_t n));
