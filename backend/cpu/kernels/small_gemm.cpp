#include "backend/cpu/kernels/small_gemm.h"

namespace xpu_lite::cpu::XPU_LITE_LEVEL {
namespace {

constexpr int64_t kWide = 16; // columns per step: one or two vector registers

// Rows of c one at a time, kWide columns in registers, b read along its rows.
void rows_of_b(const SmallGemm& g) {
  for (int64_t i = 0; i < g.m; ++i) {
    const float* a = g.a + i * g.lda;
    float* c = g.c + i * g.n;
    int64_t j = 0;
    for (; j + kWide <= g.n; j += kWide) {
      float sum[kWide];
      for (int64_t v = 0; v < kWide; ++v) sum[v] = g.bias ? g.bias[j + v] : 0.f;
      for (int64_t p = 0; p < g.k; ++p) {
        const float x = a[p];
        const float* b = g.b + p * g.ldb + j;
        for (int64_t v = 0; v < kWide; ++v) sum[v] += x * b[v];
      }
      for (int64_t v = 0; v < kWide; ++v) c[j + v] = sum[v];
    }
    for (; j < g.n; ++j) {
      float sum = g.bias ? g.bias[j] : 0.f;
      for (int64_t p = 0; p < g.k; ++p) sum += a[p] * g.b[p * g.ldb + j];
      c[j] = sum;
    }
  }
}

// b stored transposed: dot products along k, with kWide partial sums.
void rows_of_b_transposed(const SmallGemm& g) {
  for (int64_t i = 0; i < g.m; ++i) {
    const float* a = g.a + i * g.lda;
    for (int64_t j = 0; j < g.n; ++j) {
      const float* b = g.b + j * g.ldb;
      float part[kWide] = {};
      int64_t p = 0;
      for (; p + kWide <= g.k; p += kWide) {
        for (int64_t v = 0; v < kWide; ++v) part[v] += a[p + v] * b[p + v];
      }
      float sum = g.bias ? g.bias[j] : 0.f;
      for (int64_t v = 0; v < kWide; ++v) sum += part[v];
      for (; p < g.k; ++p) sum += a[p] * b[p];
      g.c[i * g.n + j] = sum;
    }
  }
}

void small_gemm(const SmallGemm& g) {
  if (g.b_transposed) {
    rows_of_b_transposed(g);
  } else {
    rows_of_b(g);
  }
}

} // namespace
XPU_LITE_REGISTER_KERNEL(small_gemm, small_gemm);
} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
