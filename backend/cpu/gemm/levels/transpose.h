#pragma once

// Squares of 32-bit values turned around in registers: how weights that are dense
// along k become panels, and how the rows of a transposed a are staged.

#include "backend/cpu/gemm/levels/vector.h"

namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL {
namespace {

#if defined(__AVX512F__)
// Pairs of rows, then of pairs, in 128 bits; then the 128-bit parts themselves.
XPU_LITE_GEMM_INLINE void transpose(Reg (&r)[16]) {
  Reg t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    const auto low = [](Reg a, Reg b) {
      return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
    };
    const auto high = [](Reg a, Reg b) {
      return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
    };
    r[i] = low(t[i], t[i + 2]);
    r[i + 1] = high(t[i], t[i + 2]);
    r[i + 2] = low(t[i + 1], t[i + 3]);
    r[i + 3] = high(t[i + 1], t[i + 3]);
  }
  // Now part q of r[4 b + c] holds column 4 q + c of rows 4 b to 4 b + 3.
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    t[c] = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x44);           // parts 0, 1 of rows 0 to 7
    t[4 + c] = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xee);       // parts 2, 3
    t[8 + c] = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x44);  // of rows 8 to 15
    t[12 + c] = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xee);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    r[c] = _mm512_shuffle_f32x4(t[c], t[8 + c], 0x88);
    r[4 + c] = _mm512_shuffle_f32x4(t[c], t[8 + c], 0xdd);
    r[8 + c] = _mm512_shuffle_f32x4(t[4 + c], t[12 + c], 0x88);
    r[12 + c] = _mm512_shuffle_f32x4(t[4 + c], t[12 + c], 0xdd);
  }
}
#else
XPU_LITE_GEMM_INLINE void transpose(Reg (&r)[8]) {
  Reg t[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    t[c] = _mm256_permute2f128_ps(r[c], r[4 + c], 0x20);
    t[4 + c] = _mm256_permute2f128_ps(r[c], r[4 + c], 0x31);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) r[i] = t[i];
}
#endif

// out[x * ld + y] = element x of line y, for x < length and y < lines; zero for the y
// from `lines` up to a whole register. load(y, x, n) gives elements x to x + n - 1.
template <class Load>
XPU_LITE_GEMM_INLINE void transpose_lines(int64_t lines, int64_t length, const Load& load,
                                          float* out, int64_t ld) {
  for (int64_t x = 0; x < length; x += kLanes) {
    const int n = length - x < kLanes ? static_cast<int>(length - x) : kLanes;
    for (int64_t y = 0; y < lines; y += kLanes) {
      Reg square[kLanes];
      for (int i = 0; i < kLanes; ++i) square[i] = y + i < lines ? load(y + i, x, n) : zero();
      transpose(square);
      for (int i = 0; i < n; ++i) store(out + (x + i) * ld + y, square[i]);
    }
  }
}

} // namespace
} // namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL
