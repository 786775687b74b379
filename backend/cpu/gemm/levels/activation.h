#pragma once

// Activations on registers, without a call. Absolute errors stay below 1e-6 times
// the argument: what float's own rounding does to the textbook formulas.

#include "backend/cpu/gemm/levels/normal_table.h"
#include "backend/cpu/gemm/levels/vector.h"

namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL {
namespace {

#if defined(__AVX512F__)

XPU_LITE_GEMM_INLINE Reg look_up(int power, Bits place) {
  const float* row = kNormalTable[power];
  return _mm512_permutex2var_ps(_mm512_load_ps(row), place, _mm512_load_ps(row + kLanes));
}

XPU_LITE_GEMM_INLINE Reg gelu_erf(Reg x) {
  const Bits sign = splat_bits(static_cast<int32_t>(0x80000000u));
  // Added to it, u is rounded to the whole number that the lowest bits then hold.
  const Reg shift = splat(12582912.f); // 1.5 * 2^23
  const Reg size = floats(_mm512_andnot_si512(sign, bits(x)));
  const Reg u = min(size * splat(kNormalScale), splat(kNormalLast));
  const Reg shifted = u + shift;
  const Reg t = u - (shifted - shift);
  const Bits place = bits(shifted);
  Reg g = fma(look_up(3, place), t, look_up(2, place));
  g = fma(g, t, look_up(1, place));
  g = fma(g, t, look_up(0, place));
  // Phi(x) = 1/2 + g, with the sign of x on g.
  const Bits signed_g = _mm512_ternarylogic_epi32(sign, bits(x), bits(g), 0xea); // (a & b) | c
  return x * (splat(0.5f) + floats(signed_g));
}

#else

// (Phi(x) - 1/2) / x is even and smooth: a polynomial in s = 2 x^2 / kNormalEnd^2 - 1,
// interpolated at the Chebyshev points of [-1, 1]. Beyond the end Phi is 0 or 1.
constexpr float kNormalEnd = 5.5f;
constexpr float kNormal[] = {
    0.12855193f, -0.0641723126f, 0.0477373526f, -0.0387937799f, 0.03207656f,
    -0.0260362942f, 0.0203101356f, -0.0150618451f, 0.0104575213f, -0.00665234262f,
    0.00409791572f, -0.00265651802f, 0.00137924298f, -0.000358214107f, 0.000201298797f,
    -0.000285286398f, 0.000113726106f};

XPU_LITE_GEMM_INLINE Reg gelu_erf(Reg x) {
  const Reg inside = min(max(x, splat(-kNormalEnd)), splat(kNormalEnd));
  const Reg s = fma(inside * inside, splat(2 / (kNormalEnd * kNormalEnd)), splat(-1.f));
  constexpr int last = sizeof(kNormal) / sizeof(float) - 1;
  Reg sum = splat(kNormal[last]);
#pragma GCC unroll 16
  for (int i = last - 1; i >= 0; --i) sum = fma(sum, s, splat(kNormal[i]));
  const Reg phi = fma(inside, sum, splat(0.5f));
  return x * zero_below(phi, x, splat(-kNormalEnd));
}

#endif

// 2^n times a polynomial on half an interval of ln 2 on either side.
XPU_LITE_GEMM_INLINE Reg exponential(Reg x) {
  const Reg inside = min(max(x, splat(-87.f)), splat(88.f));
  const Bits n = nearest(inside * splat(1.44269504f));
  Reg r = fma(to_float(n), splat(-0.693359375f), inside);
  r = fma(to_float(n), splat(2.12194440e-4f), r);
  Reg sum = splat(1.f / 720);
  sum = fma(sum, r, splat(1.f / 120));
  sum = fma(sum, r, splat(1.f / 24));
  sum = fma(sum, r, splat(1.f / 6));
  sum = fma(sum, r, splat(0.5f));
  sum = fma(sum, r, splat(1.f));
  sum = fma(sum, r, splat(1.f));
  return sum * floats(left<23>(add(n, splat_bits(127))));
}

// x / (1 + exp(-y)); where exp(-y) leaves float, x times zero.
XPU_LITE_GEMM_INLINE Reg gated(Reg x, Reg y) {
  const Reg gate = splat(1.f) / (splat(1.f) + exponential(zero() - y));
  return x * zero_below(gate, y, splat(-88.f));
}

XPU_LITE_GEMM_INLINE Reg gelu_tanh(Reg x) {
  const Reg twice = splat(1.5957691216f); // 2 sqrt(2 / pi)
  return gated(x, x * twice * fma(x * x, splat(0.044715f), splat(1.f)));
}

template <Activation activation>
XPU_LITE_GEMM_INLINE Reg activate(Reg x) {
  if constexpr (activation == Activation::ReLU) return max(zero(), x); // a NaN stays: the second
  if constexpr (activation == Activation::GeluErf) return gelu_erf(x);
  if constexpr (activation == Activation::GeluTanh) return gelu_tanh(x);
  if constexpr (activation == Activation::SiLU) return gated(x, x);
  return x;
}

} // namespace
} // namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL
