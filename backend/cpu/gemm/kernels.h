#pragma once

// What the driver asks of an instruction set: three functions per dtype. Files whose
// name ends in a level (float_avx512.cpp) are compiled with its flags and fill one
// table each from the code in levels/; the driver, the packing and the choice are plain
// C++.

#include <cstdint>
#include <string>

#include "backend/cpu/gemm/packed_gemm.h"
#include "backend/runtime/cpu_features.h"

namespace xpu_lite::cpu::gemm {

constexpr int kPanel = 32;    // columns of a panel

// sums[rows][kPanel] (+)= a[rows][k] * panel[k][kPanel]
struct Tile {
  int64_t rows;  // at most Kernels::rows
  const void* a; // of Kernels::a_dtype, rows lda elements apart
  int64_t lda;
  const void* panel; // at the first of the k steps
  int64_t k;         // even where the layout holds pairs
  float* sums;
  bool accumulate;
  const char* next; // what to bring into the cache meanwhile, or null
};

// c[rows][columns] = epilogue(sums[rows][kPanel]), at (row, column) of the whole result.
struct Finish {
  const Gemm* gemm;
  const float* sums;
  int64_t rows, columns, row, column;
  bool streams = false; // past the caches, where streams_result() says so
};

// Rows of a, of any dtype, as `to` with rows ld elements apart; [k, k_padded) is zero.
// ld covers k rounded up to 64 bytes. Where a is transposed, its rows are dense in the
// other direction: lda is the distance of one k from the next.
struct Stage {
  const void* a;
  DType dtype;
  bool transposed;
  int64_t lda, rows, k, k_padded;
  void* out;
  DType to;
  int64_t ld;
};

// Asks for the lines of a tile's result, unless it is stored past the caches, and of what is
// added to it: its rows lie apart, which no prefetcher of the hardware follows. Always
// inline: GCC takes out a call of a function that does nothing but ask.
__attribute__((always_inline)) inline void bring_result(const Gemm& g, int64_t row, int64_t rows,
                                                        int64_t column, bool streams) {
  const int64_t columns = g.n - column < kPanel ? g.n - column : kPanel;
  if (!streams) {
    const int64_t size = dtype_size(g.c_dtype), bytes = columns * size;
    const char* at = static_cast<const char*>(g.c) + (row * g.ldc + column) * size;
    for (int64_t i = 0; i < rows; ++i, at += g.ldc * size) {
      for (int64_t b = 0; b < bytes; b += 64) __builtin_prefetch(at + b, 1, 3);
    }
  }
  const Matrix& add = g.epilogue.add;
  if (add.data && add.data != g.c) {
    const int64_t size = dtype_size(add.dtype), bytes = columns * size;
    const char* at = static_cast<const char*>(add.data) + (row * add.ld + column) * size;
    for (int64_t i = 0; i < rows; ++i, at += add.ld * size) {
      for (int64_t b = 0; b < bytes; b += 64) __builtin_prefetch(at + b, 0, 3);
    }
  }
}

struct Kernels {
  const char* name; // of the implementation
  Isa needs;
  DType dtype;
  DType a_dtype; // what tiles read: Float, or BFloat16 in pairs along k
  int rows;      // the most that a tile may have
  int least;     // rows of c for which this is the best of the list
  void (*tile)(const Tile&);
  void (*stage)(const Stage&);
  void (*finish)(const Finish&);
};

// The tables, best first. Null where an implementation does not serve a dtype.
const Kernels* find_kernels(const std::string& name, DType dtype);
// What gemm() uses for so many rows; null: the reference.
const Kernels* chosen_kernels(DType dtype, int64_t m);

void reference_gemm(const Gemm& g);
void run_tiles(const Kernels& kernels, const Gemm& g);

// Steps of k that one entry of the dtype's layout holds.
constexpr int64_t k_group(DType dtype) { return dtype == DType::BFloat16 ? 2 : 1; }
constexpr int64_t padded_k(DType dtype, int64_t k) {
  return (k + k_group(dtype) - 1) / k_group(dtype) * k_group(dtype);
}
// Steps that a panel of bfloat16 has room for: whole tiles of AMX, zero beyond k.
constexpr int64_t panel_k(DType dtype, int64_t k) {
  return dtype == DType::BFloat16 ? (k + 31) / 32 * 32 : k;
}
constexpr int64_t panels_of(int64_t n) { return (n + kPanel - 1) / kPanel; }

// pack_panel: one panel of a weight that is dense along k or along n and becomes float or
// bfloat16; false for any other.
namespace avx2 {
extern const Kernels f32, bf16, f16;
bool pack_panel(const Weight& weight, int64_t panel, void* to);
}
namespace avx512 {
extern const Kernels f32, bf16, f16;
bool pack_panel(const Weight& weight, int64_t panel, void* to);
}
namespace avx512_bf16 {
extern const Kernels bf16;
}
namespace tiles {
extern const Kernels amx, model;
}

} // namespace xpu_lite::cpu::gemm
