#pragma once

// Matrix products too small to pay for a call into a BLAS: at 16x16x16 the call
// costs more than the arithmetic.

#include <cstdint>

#include "backend/cpu/dispatch.h"

namespace xpu_lite::cpu {

// Row strides; the other stride is 1, except where `b_transposed`: then b is
// stored as n rows of k.
struct SmallGemm {
  const float* a; // m x k
  const float* b; // k x n, or n x k if b_transposed
  float* c;       // m x n, dense
  const float* bias; // n values added to every row, or null
  int64_t m, n, k, lda, ldb;
  bool b_transposed;
};

// Products up to this many multiply-adds are better served here than by MKL.
constexpr int64_t kSmallGemmLimit = 16 * 16 * 16;

} // namespace xpu_lite::cpu

XPU_LITE_DECLARE_KERNEL(small_gemm, void(const SmallGemm&));
