#pragma once

// Matrix products too small to pay for a call into a BLAS: at 8x64x64 the call
// costs about as much as the arithmetic.

#include <cstdint>

#include "backend/cpu/dispatch.h"

namespace xpu_lite::cpu {

// c = a b (+ bias). Strides count elements: `row` from one row to the next,
// `column` from one column to the next. One stride of b is 1; where its row
// stride is (b is a transposed weight), a's column stride is 1 too.
struct SmallGemm {
  const float* a;    // m x k
  const float* b;    // k x n
  float* c;          // m x n, dense
  const float* bias; // n values added to every row, or null
  int64_t m, n, k;
  int64_t a_row, a_column, b_row, b_column;
};

// Products up to this many multiply-adds are better served here than by MKL.
constexpr int64_t kSmallGemmLimit = 16 * 64 * 64;

} // namespace xpu_lite::cpu

XPU_LITE_DECLARE_KERNEL(small_gemm, void(const SmallGemm&));
