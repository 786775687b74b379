#pragma once

// Arguments of the matrix product that serves what oneDNN does not: float64, complex
// and integer types on CPU devices, and every type where oneDNN is not installed.

#include <cstdint>

namespace xpu_lite::xpu {

// Strides in elements: of a batch entry, a row, a column.
struct GemmStrides {
  int64_t batch, row, column;
};

// A factor by its bits, in the type that the kernel adds up in: an int64, or the real
// and the imaginary part as double, or as float in the halves of word[0]. (No double:
// a device without fp64 would refuse every kernel that mentions one.)
struct GemmFactor {
  uint64_t word[2];
};

// out = alpha * (a b) + beta * self
struct GemmArgs {
  const void *a, *b, *self;
  void* out;
  int64_t m, n, k, batch;
  GemmStrides sa, sb, sself, sout;
  GemmFactor alpha, beta;
  bool with_self; // false: self is not read, not even if it holds NaN
};

// Rows of `out` that one work-item makes; host code divides by it.
constexpr int kGemmRows = 8;

} // namespace xpu_lite::xpu
