#pragma once

// log, exp, sine and cosine whose results do not depend on the instruction set,
// the vector length or the C library: see Note [Philox layout]. Written without
// branches, so that loops over them vectorise. Series in the standard form; the
// first term left out is below half an ulp on the reduced range.

#include <cstdint>

#include "backend/cpu/kernels/philox.h"

namespace xpu_lite::cpu {

// An engine whose compiler has a better one defines XPU_LITE_OWN_FMA.
#ifdef XPU_LITE_OWN_FMA
XPU_LITE_ALWAYS_INLINE float fma_of(float a, float b, float c) { return XPU_LITE_OWN_FMA(a, b, c); }
XPU_LITE_ALWAYS_INLINE double fma_of(double a, double b, double c) { return XPU_LITE_OWN_FMA(a, b, c); }
#else
XPU_LITE_ALWAYS_INLINE float fma_of(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
XPU_LITE_ALWAYS_INLINE double fma_of(double a, double b, double c) { return __builtin_fma(a, b, c); }
#endif

// Natural logarithm of a positive normal number. x = 2^e m, m in [sqrt 1/2, sqrt 2);
// ln m = 2 atanh s, s = (m - 1) / (m + 1), |s| < 0.172.
XPU_LITE_ALWAYS_INLINE float log_of(float x) {
  const int32_t bits = __builtin_bit_cast(int32_t, x);
  const int32_t e = (bits - 0x3f3504f3) >> 23;
  const float m = __builtin_bit_cast(float, bits - (e << 23));
  const float s = (m - 1.0f) / (m + 1.0f);
  const float z = s * s;
  float p = fma_of(z, 1.0f / 9, 1.0f / 7);
  p = fma_of(p, z, 1.0f / 5);
  p = fma_of(p, z, 1.0f / 3);
  p = p * z;
  const float t = s + s;
  const float ln_m = fma_of(t, p, t);
  return fma_of(static_cast<float>(e), 0.693147180559945f, ln_m);
}

XPU_LITE_ALWAYS_INLINE double log_of(double x) {
  const int64_t bits = __builtin_bit_cast(int64_t, x);
  // Only the upper word is shifted: AVX2 has no arithmetic shift of 64 bits.
  const int32_t e = (static_cast<int32_t>(bits >> 32) - 0x3fe6a09e) >> 20;
  const double m = __builtin_bit_cast(double, bits - (static_cast<int64_t>(e) << 52));
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double p = fma_of(z, 1.0 / 23, 1.0 / 21);
  p = fma_of(p, z, 1.0 / 19);
  p = fma_of(p, z, 1.0 / 17);
  p = fma_of(p, z, 1.0 / 15);
  p = fma_of(p, z, 1.0 / 13);
  p = fma_of(p, z, 1.0 / 11);
  p = fma_of(p, z, 1.0 / 9);
  p = fma_of(p, z, 1.0 / 7);
  p = fma_of(p, z, 1.0 / 5);
  p = fma_of(p, z, 1.0 / 3);
  p = p * z;
  const double t = s + s;
  const double ln_m = fma_of(t, p, t);
  return fma_of(static_cast<double>(e), 0.6931471805599453, ln_m);
}

// e^x, from 0 to infinity. x = k ln 2 + r, |r| <= ln 2 / 2.
XPU_LITE_ALWAYS_INLINE double exp_of(double x) {
  x = x > 710.0 ? 710.0 : x;
  x = x < -746.0 ? -746.0 : x;
  // Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits.
  const double shifted = fma_of(x, 1.4426950408889634, 6755399441055744.0);
  const double k = shifted - 6755399441055744.0;
  double r = fma_of(k, -0.6931471805599453, x);
  r = fma_of(k, -2.3190468138462996e-17, r);
  double p = 1.0 / 6227020800.0;
  p = fma_of(p, r, 1.0 / 479001600.0);
  p = fma_of(p, r, 1.0 / 39916800.0);
  p = fma_of(p, r, 1.0 / 3628800.0);
  p = fma_of(p, r, 1.0 / 362880.0);
  p = fma_of(p, r, 1.0 / 40320.0);
  p = fma_of(p, r, 1.0 / 5040.0);
  p = fma_of(p, r, 1.0 / 720.0);
  p = fma_of(p, r, 1.0 / 120.0);
  p = fma_of(p, r, 1.0 / 24.0);
  p = fma_of(p, r, 1.0 / 6.0);
  p = fma_of(p, r, 0.5);
  p = fma_of(p, r, 1.0);
  p = fma_of(p, r, 1.0);
  // In two factors, since 2^1024 and 2^-1075 have no representation.
  const int32_t ik = static_cast<int32_t>(k);
  const int32_t half = ik >> 1;
  const double a = __builtin_bit_cast(double, static_cast<int64_t>(half + 1023) << 52);
  const double b = __builtin_bit_cast(double, static_cast<int64_t>(ik - half + 1023) << 52);
  return p * a * b;
}

template <class T>
struct SinCos {
  T sin, cos;
};

// Sine and cosine of the angle (y + 1/2) / 2^32 turns. Neither is ever zero.
XPU_LITE_ALWAYS_INLINE SinCos<float> sincos_turns(uint32_t y) {
  const uint32_t quarter = (y + (1u << 29)) >> 30; // nearest multiple of 1/4 turn
  const int32_t rest = static_cast<int32_t>(y << 2); // from there, in 2^-34 turns
  constexpr float step = 3.657295198e-10f;           // 2 pi / 2^34
  const float a = fma_of(static_cast<float>(rest), step, 2 * step);
  const float z = a * a;
  float s = fma_of(z, 1.0f / 362880, -1.0f / 5040);
  s = fma_of(s, z, 1.0f / 120);
  s = fma_of(s, z, -1.0f / 6);
  s = fma_of(s * z, a, a);
  float c = fma_of(z, -1.0f / 3628800, 1.0f / 40320);
  c = fma_of(c, z, -1.0f / 720);
  c = fma_of(c, z, 1.0f / 24);
  c = fma_of(c, z, -0.5f);
  c = fma_of(c, z, 1.0f);
  const bool swap = quarter & 1;
  const float sine = swap ? c : s, cosine = swap ? s : c;
  return {quarter & 2 ? -sine : sine, (quarter + 1) & 2 ? -cosine : cosine};
}

// The same for the top 54 bits of y: the angle is (y >> 10, plus 1/2) / 2^54 turns.
XPU_LITE_ALWAYS_INLINE SinCos<double> sincos_turns(uint64_t y) {
  const uint32_t quarter = static_cast<uint32_t>((y + (uint64_t{1} << 61)) >> 62);
  // (rest + 1/2) / 2^52 in [0, 1) by way of the mantissa, then centred.
  const uint64_t rest = ((y << 2) + (uint64_t{1} << 63)) >> 12;
  const double unit =
      __builtin_bit_cast(double, rest | 0x3ff0000000000000u) - 1.5 + 0x1p-53;
  const double a = unit * 1.5707963267948966;
  const double z = a * a;
  double s = 1.0 / 355687428096000.0;
  s = fma_of(s, z, -1.0 / 1307674368000.0);
  s = fma_of(s, z, 1.0 / 6227020800.0);
  s = fma_of(s, z, -1.0 / 39916800.0);
  s = fma_of(s, z, 1.0 / 362880.0);
  s = fma_of(s, z, -1.0 / 5040.0);
  s = fma_of(s, z, 1.0 / 120.0);
  s = fma_of(s, z, -1.0 / 6.0);
  s = fma_of(s * z, a, a);
  double c = 1.0 / 20922789888000.0;
  c = fma_of(c, z, -1.0 / 87178291200.0);
  c = fma_of(c, z, 1.0 / 479001600.0);
  c = fma_of(c, z, -1.0 / 3628800.0);
  c = fma_of(c, z, 1.0 / 40320.0);
  c = fma_of(c, z, -1.0 / 720.0);
  c = fma_of(c, z, 1.0 / 24.0);
  c = fma_of(c, z, -0.5);
  c = fma_of(c, z, 1.0);
  const bool swap = quarter & 1;
  const double sine = swap ? c : s, cosine = swap ? s : c;
  return {quarter & 2 ? -sine : sine, (quarter + 1) & 2 ? -cosine : cosine};
}

// (x + 1/2) / 2^32, in (0, 1].
XPU_LITE_ALWAYS_INLINE float open_unit(uint32_t x) {
  return fma_of(static_cast<float>(x), 0x1p-32f, 0x1p-33f);
}
// (top 52 bits of x, plus 1/2) / 2^52, in (0, 1).
XPU_LITE_ALWAYS_INLINE double open_unit(uint64_t x) {
  return __builtin_bit_cast(double, (x >> 12) | 0x3ff0000000000000u) - 1.0 + 0x1p-53;
}

} // namespace xpu_lite::cpu
