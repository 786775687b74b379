#pragma once

// The micro-kernels: rows of a times one panel, summed in registers.
//
// A step of k loads two registers of the panel and, for each row, one element of a
// that goes to all lanes: 14 rows make 28 multiply-adds of 16 loads, so that the
// panel may come from the second-level cache and a needs no packing. Few rows keep
// several sets of sums, because a multiply-add takes as long as four others take to
// start, and prefetch the panel itself: they run at the speed of memory.

#include <utility>

#include "backend/cpu/gemm/kernels.h"
#include "backend/cpu/gemm/levels/vector.h"

namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL {
namespace {

constexpr int kWidth = 2;                      // registers of a tile's row
constexpr int kColumns = kWidth * kLanes;      // 32, or with AVX2 16: half a panel
#if defined(__AVX512F__)
constexpr int kTileRows = 14; // 28 sums in 32 registers
#else
constexpr int kTileRows = 6;
#endif

constexpr int sum_sets(int rows) {
#if defined(__AVX512F__)
  return rows <= 2 ? 4 : rows <= 4 ? 2 : 1;
#else
  return rows == 1 ? 4 : rows == 2 ? 2 : 1;
#endif
}
constexpr bool streams(int rows) { return rows <= 4; }
constexpr int64_t kAhead = 4096; // bytes, where the panel streams

// Row r of a: three rows share a pointer, and the distance between rows is an index
// register with scale 0, 1 or 2. Left to itself, the compiler computes one address
// per row and step ahead of the loop and reads them all from the stack within it.
template <int rows>
struct RowsOfA {
  static constexpr int pointers = (rows + 2) / 3;
  const char* base[pointers];
  int64_t distance; // bytes from row to row

  XPU_LITE_GEMM_INLINE RowsOfA(const void* a, int64_t bytes) : distance(bytes) {
    for (int i = 0; i < pointers; ++i) base[i] = static_cast<const char*>(a) + 3 * i * bytes;
  }
  template <class T>
  XPU_LITE_GEMM_INLINE T at(int r, int64_t bytes) const {
    T value;
    __builtin_memcpy(&value, base[r / 3] + r % 3 * distance + bytes, sizeof(T));
    return value;
  }
  XPU_LITE_GEMM_INLINE void advance(int64_t bytes) {
#pragma GCC unroll 5
    for (int i = 0; i < pointers; ++i) base[i] += bytes;
  }
  // Hides from the compiler how the addresses hang together.
  XPU_LITE_GEMM_INLINE void opaque() {
#pragma GCC unroll 5
    for (int i = 0; i < pointers; ++i) __asm__("" : "+r"(base[i]));
    __asm__("" : "+r"(distance));
  }
};

// sum[r] += x[r] * (w0, w1)
template <int rows, class Sums>
XPU_LITE_GEMM_INLINE void add_products(const RowsOfA<rows>& a, int64_t offset, Reg w0, Reg w1,
                                       Sums& sum) {
#pragma GCC unroll 14
  for (int r = 0; r < rows; ++r) {
    const Reg x = splat(a.template at<float>(r, offset));
    sum[r][0] = fma(x, w0, sum[r][0]);
    sum[r][1] = fma(x, w1, sum[r][1]);
  }
}

// Layouts: one step serves `step` k; it takes a_bytes of a row and `bytes` of the
// panel, of which column_bytes belong to a column.
struct PlainFloat {
  static constexpr int step = 1, a_bytes = 4, bytes = kPanel * 4, column_bytes = 4;
  template <int rows, class Sums>
  static XPU_LITE_GEMM_INLINE void multiply(const RowsOfA<rows>& a, int64_t offset,
                                            const char* w, Sums& sum) {
    const float* panel = reinterpret_cast<const float*>(w);
    add_products(a, offset, load(panel), load(panel + kLanes), sum);
  }
};

struct PlainHalf {
  static constexpr int step = 1, a_bytes = 4, bytes = kPanel * 2, column_bytes = 2;
  template <int rows, class Sums>
  static XPU_LITE_GEMM_INLINE void multiply(const RowsOfA<rows>& a, int64_t offset,
                                            const char* w, Sums& sum) {
    const half* panel = reinterpret_cast<const half*>(w);
    add_products(a, offset, load(panel), load(panel + kLanes), sum);
  }
};

// A pair of bfloat16 in 32 bits is two floats by a shift and by a mask.
struct WidenedPairs {
  static constexpr int step = 2, a_bytes = 8, bytes = kPanel * 4, column_bytes = 4;
  template <int rows, class Sums>
  static XPU_LITE_GEMM_INLINE void multiply(const RowsOfA<rows>& a, int64_t offset,
                                            const char* w, Sums& sum) {
    const Bits high = splat_bits(static_cast<int32_t>(0xffff0000u));
    const char* second = w + kLanes * 4;
    add_products(a, offset, floats(left<16>(load_bits(w))), floats(left<16>(load_bits(second))),
                 sum);
    add_products(a, offset + 4, floats(bit_and(load_bits(w), high)),
                 floats(bit_and(load_bits(second), high)), sum);
  }
};

#if defined(__AVX512BF16__)
struct DotPairs {
  static constexpr int step = 2, a_bytes = 4, bytes = kPanel * 4, column_bytes = 4;
  template <int rows, class Sums>
  static XPU_LITE_GEMM_INLINE void multiply(const RowsOfA<rows>& a, int64_t offset,
                                            const char* w, Sums& sum) {
    const __m512bh w0 = (__m512bh)load_bits(w), w1 = (__m512bh)load_bits(w + kLanes * 4);
#pragma GCC unroll 14
    for (int r = 0; r < rows; ++r) {
      const __m512bh x = (__m512bh)splat_bits(a.template at<int32_t>(r, offset));
      sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, w0);
      sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, w1);
    }
  }
};
#endif

template <class Layout, int rows>
XPU_LITE_GEMM_INLINE void tile_columns(const Tile& t, int column) {
  constexpr int sets = sum_sets(rows);
  constexpr int unrolled = 4;
  Reg sum[sets][rows][kWidth];
  float* const out = t.sums + column;
#pragma GCC unroll 56
  for (int i = 0; i < sets * rows * kWidth; ++i) {
    const int set = i / (rows * kWidth), r = i / kWidth % rows, v = i % kWidth;
    sum[set][r][v] =
        set == 0 && t.accumulate ? load(out + r * kPanel + v * kLanes) : zero();
  }
  RowsOfA<rows> a(t.a, t.lda * (Layout::a_bytes / Layout::step));
  const char* w = static_cast<const char*>(t.panel) + column * Layout::column_bytes;
  const char* next = t.next ? t.next : w;
  int64_t steps = t.k / Layout::step;
  for (; steps >= unrolled; steps -= unrolled) {
    a.opaque();
    if constexpr (streams(rows)) {
#pragma GCC unroll 8
      for (int line = 0; line < unrolled * Layout::bytes / 64; ++line) {
        if (column == 0) __builtin_prefetch(w + kAhead + line * 64, 0, 3);
      }
    } else {
      __builtin_prefetch(next, 0, 2);
      __builtin_prefetch(next + 64, 0, 2);
      next += 128;
    }
#pragma GCC unroll 4
    for (int u = 0; u < unrolled; ++u) {
      Layout::multiply(a, u * Layout::a_bytes, w + u * Layout::bytes, sum[u % sets]);
    }
    a.advance(unrolled * Layout::a_bytes);
    w += unrolled * Layout::bytes;
  }
  for (; steps > 0; --steps) {
    Layout::multiply(a, 0, w, sum[0]);
    a.advance(Layout::a_bytes);
    w += Layout::bytes;
  }
#pragma GCC unroll 28
  for (int i = 0; i < rows * kWidth; ++i) {
    const int r = i / kWidth, v = i % kWidth;
    Reg total = sum[0][r][v];
    for (int set = 1; set < sets; ++set) total += sum[set][r][v];
    store(out + r * kPanel + v * kLanes, total);
  }
}

template <class Layout, int rows>
void tile(const Tile& t) {
  for (int column = 0; column < kPanel; column += kColumns) {
    tile_columns<Layout, rows>(t, column);
  }
}

template <class Layout>
void tile_of_rows(const Tile& t) {
  struct Table {
    void (*of[kTileRows])(const Tile&);
  };
  static constexpr Table by_rows = []<int... r>(std::integer_sequence<int, r...>) {
    return Table{{tile<Layout, r + 1>...}};
  }(std::make_integer_sequence<int, kTileRows>{});
  by_rows.of[t.rows - 1](t);
}

// The table of one dtype.
template <class Layout>
constexpr Kernels table(const char* name, Isa needs, DType dtype, DType a_dtype,
                        void (*stage)(const Stage&), void (*finish)(const Finish&)) {
  return {name, needs, dtype, a_dtype, kTileRows, 1, tile_of_rows<Layout>, stage, finish};
}

} // namespace
} // namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL
