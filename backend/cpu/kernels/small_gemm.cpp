#include "backend/cpu/kernels/small_gemm.h"

#include <immintrin.h>

namespace xpu_lite::cpu::XPU_LITE_LEVEL {
namespace {

#ifdef __AVX512F__
constexpr int64_t kLanes = 16;
#else
constexpr int64_t kLanes = 8;
#endif
// One vector register; unaligned, and it may alias floats.
typedef float Vector __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

inline Vector load(const float* p) { return *reinterpret_cast<const Vector*>(p); }
inline void store(float* p, Vector v) { *reinterpret_cast<Vector*>(p) = v; }

// The sums of neighbouring lanes, down to four.
inline __m128 quarter(Vector v) {
#ifdef __AVX512F__
  const __m512 whole = (__m512)v;
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(whole), _mm512_extractf32x8_ps(whole, 1));
#else
  const __m256 half = (__m256)v;
#endif
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

// out[v] = the sum of the lanes of part[v].
template <int kColumns>
inline void totals(const Vector* part, float* out) {
  if constexpr (kColumns == 4) {
    _mm_storeu_ps(out, _mm_hadd_ps(_mm_hadd_ps(quarter(part[0]), quarter(part[1])),
                                   _mm_hadd_ps(quarter(part[2]), quarter(part[3]))));
  } else {
    static_assert(kColumns == 1);
    const __m128 pairs = _mm_hadd_ps(quarter(part[0]), quarter(part[0]));
    out[0] = _mm_cvtss_f32(_mm_hadd_ps(pairs, pairs));
  }
}

// kRows rows by kColumns registers of c, for b stored by rows: each register of b
// that is loaded serves all rows.
template <int kRows, int kColumns>
inline void tile_by_rows(const SmallGemm& g, int64_t i, int64_t j) {
  Vector sum[kRows][kColumns];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kColumns; ++v) {
      sum[r][v] = g.bias ? load(g.bias + j + v * kLanes) : Vector{};
    }
  }
  for (int64_t p = 0; p < g.k; ++p) {
    const float* b = g.b + p * g.b_row + j;
    for (int r = 0; r < kRows; ++r) {
      const float x = g.a[(i + r) * g.a_row + p * g.a_column];
      for (int v = 0; v < kColumns; ++v) sum[r][v] += x * load(b + v * kLanes);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kColumns; ++v) store(g.c + (i + r) * g.n + j + v * kLanes, sum[r][v]);
  }
}

template <int kRows>
inline void rows_by_rows(const SmallGemm& g, int64_t i) {
  int64_t j = 0;
  for (; j + 2 * kLanes <= g.n; j += 2 * kLanes) tile_by_rows<kRows, 2>(g, i, j);
  for (; j + kLanes <= g.n; j += kLanes) tile_by_rows<kRows, 1>(g, i, j);
  for (; j < g.n; ++j) {
    for (int r = 0; r < kRows; ++r) {
      float sum = g.bias ? g.bias[j] : 0.f;
      for (int64_t p = 0; p < g.k; ++p) {
        sum += g.a[(i + r) * g.a_row + p * g.a_column] * g.b[p * g.b_row + j];
      }
      g.c[(i + r) * g.n + j] = sum;
    }
  }
}

// kRows x kColumns dot products along k, for b stored by columns.
template <int kRows, int kColumns>
inline void tile_by_columns(const SmallGemm& g, int64_t i, int64_t j) {
  Vector part[kRows][kColumns] = {};
  int64_t p = 0;
  for (; p + kLanes <= g.k; p += kLanes) {
    Vector b[kColumns];
    for (int v = 0; v < kColumns; ++v) b[v] = load(g.b + (j + v) * g.b_column + p);
    for (int r = 0; r < kRows; ++r) {
      const Vector a = load(g.a + (i + r) * g.a_row + p);
      for (int v = 0; v < kColumns; ++v) part[r][v] += a * b[v];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    float sums[kColumns];
    totals<kColumns>(part[r], sums);
    for (int v = 0; v < kColumns; ++v) {
      float sum = sums[v] + (g.bias ? g.bias[j + v] : 0.f);
      for (int64_t q = p; q < g.k; ++q) {
        sum += g.a[(i + r) * g.a_row + q] * g.b[(j + v) * g.b_column + q];
      }
      g.c[(i + r) * g.n + j + v] = sum;
    }
  }
}

template <int kRows>
inline void rows_by_columns(const SmallGemm& g, int64_t i) {
  int64_t j = 0;
  for (; j + 4 <= g.n; j += 4) tile_by_columns<kRows, 4>(g, i, j);
  for (; j < g.n; ++j) tile_by_columns<kRows, 1>(g, i, j);
}

void small_gemm(const SmallGemm& g) {
  const bool by_rows = g.b_column == 1;
  int64_t i = 0;
  for (; i + 4 <= g.m; i += 4) {
    if (by_rows) {
      rows_by_rows<4>(g, i);
    } else {
      rows_by_columns<4>(g, i);
    }
  }
  for (; i < g.m; ++i) {
    if (by_rows) {
      rows_by_rows<1>(g, i);
    } else {
      rows_by_columns<1>(g, i);
    }
  }
}

} // namespace
XPU_LITE_REGISTER_KERNEL(small_gemm, small_gemm);
} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
