#pragma once

// What the driver of int8_gemm.h asks of an instruction set. The files int8_<isa>.cpp fill
// one table each.

#include "backend/cpu/gemm/int8_gemm.h"
#include "backend/runtime/cpu_features.h"

namespace xpu_lite::cpu::gemm {

constexpr int kInt8Panel = 32;      // columns
constexpr int kInt8Group = 4;       // k of a column side by side
constexpr int kInt8Padding = 64;    // k is padded to this
constexpr int kInt8MostRows = 32;   // of any implementation's tile

constexpr int64_t int8_padded_k(int64_t k) { return (k + kInt8Padding - 1) / kInt8Padding * kInt8Padding; }
constexpr int64_t int8_panels(int64_t n) { return (n + kInt8Panel - 1) / kInt8Panel; }
constexpr int64_t int8_panel_bytes(int64_t k) { return int8_padded_k(k) * kInt8Panel; }

// sums[rows][kInt8Panel] = a[rows][k] * panel. a's rows can be read up to a multiple of 4;
// what lies beyond k meets zeros. A convolution's rows are several stretches of k each:
// those of tap i begin at a + offsets[i], and their parts of the panel follow each other.
struct Int8Tile {
  const void* a;
  int64_t lda;  // bytes
  const int8_t* panel;
  int64_t k;
  int32_t* sums;  // on a 64-byte boundary
  int rows;
  bool a_signed;
  int taps = 1;
  const int64_t* offsets = nullptr;  // bytes; null: one tap at a
};

// Rows as the kernels want them, with what quantises each.
struct Int8Rows {
  const void* a;
  int64_t lda;
  bool a_signed;
  const float* scale;     // of row i: scale[i * step]
  const int32_t* zero;
  int64_t step;
  const int32_t* sums;    // of each row; only where weights have zero points
};

struct Int8Finish {
  const Int8Gemm* gemm;
  const Int8Rows* a;
  const int32_t* column_sums;  // of all columns
  int32_t* sums;               // [rows][kInt8Panel]; overwritten
  int64_t rows, columns, row, column;
};

// A row of floats to u8: scale and zero are of its least and greatest values and 0, or
// given.
struct Int8Quantise {
  const void* a;
  Int8Input type;
  int64_t lda, k, k_padded;
  uint8_t* out;
  float* scale;
  int32_t* zero;
  bool given;
  const float* factor;  // k values to multiply with before, or null
};

struct Int8Kernels {
  const char* name;
  Isa needs;
  int rows;             // of a full tile
  bool takes_signed;    // else the driver makes u8 of s8
  void (*tile)(const Int8Tile&);
  void (*finish)(const Int8Finish&);
  void (*quantise)(const Int8Quantise&);  // one row
};

extern const Int8Kernels int8_amx, int8_avx512vnni, int8_avx512, int8_avx2;

void int8_run(const Int8Kernels& kernels, const Int8Gemm& g);

} // namespace xpu_lite::cpu::gemm
