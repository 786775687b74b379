#pragma once

// Functions of floats as straight arithmetic, without a branch or a call, so that a
// device's compiler makes vector code of them. Built-in functions are calls of a library
// on CPU devices, at twice the time. Errors are a few units in the last place; results
// that would be denormal are zero. The coefficients were fitted to the intervals below.

#include <limits>

#include "backend/xpu/kernels/device.h"

namespace xk {

// c[0] + c[1] x + c[2] x^2 + ...
template <int N>
inline float horner(const float (&c)[N], float x) {
  float y = c[N - 1];
#pragma unroll
  for (int i = N - 2; i >= 0; --i) y = sycl::fma(y, x, c[i]);
  return y;
}

// e^x for x in [-87, 88], as 2^n e^r with |r| <= log(2) / 2; anything elsewhere.
inline float exp_inside(float x) {
  constexpr float kC[] = {0.5f, 0.16666576f, 0.041666463f, 0.0083632953f, 0.0013933823f};
  // The sum's last bits are the nearest integer.
  const float shifted = sycl::fma(x, 1.44269504f, 12582912.0f), n = shifted - 12582912.0f;
  const float r = sycl::fma(n, 2.12194440e-4f, sycl::fma(n, -0.693359375f, x));
  const float y = sycl::fma(r * r, horner(kC, r), r) + 1.0f;
  return sycl::bit_cast<float>(sycl::bit_cast<uint32_t>(y) +
                               (sycl::bit_cast<uint32_t>(shifted) << 23));
}

inline float vector_exp(float x) {
  const float y = exp_inside(x);
  const float low = x >= -87.3365f ? y : 0.0f;
  return x <= 88.7228f ? low : x + std::numeric_limits<float>::infinity();
}

// e^x for x that is not positive, or not a number.
inline float exp_of_negative(float x) {
  const float y = exp_inside(x), rest = x < 0.0f ? 0.0f : x;
  return x >= -87.3365f ? y : rest;
}

inline double exp_of_negative(double x) { return sycl::exp(x); }

inline float vector_sigmoid(float x) { return 1.0f / (1.0f + vector_exp(-x)); }

// Odd functions that are 1 from `most` on, as x P(x^2) / Q(x^2).
template <int N, int M>
inline float odd_ratio(const float (&p)[N], const float (&q)[M], float most, float x) {
  const float s = x * x, y = x * horner(p, s) / horner(q, s);
  const float low = x < -most ? -1.0f : y;
  return x > most ? 1.0f : low;
}

inline float vector_tanh(float x) {
  constexpr float kP[] = {1.0f,           0.131007016f,   0.00312268268f, 1.13532005e-5f,
                          -2.1055877e-8f, 5.69449245e-11f, -9.61140754e-14f};
  constexpr float kQ[] = {1.0f, 0.4643403f, 0.024569517f, 0.000257357839f};
  return odd_ratio(kP, kQ, 8.6f, x);
}

inline float vector_erf(float x) {
  constexpr float kP[] = {1.12837911f,    0.192223191f,   0.0495697334f, 0.00339701003f,
                          0.00013651888f, -1.98672001e-6f, 2.10028013e-8f};
  constexpr float kQ[] = {1.0f, 0.503685415f, 0.111832194f, 0.0137140229f, 0.000888597511f};
  return odd_ratio(kP, kQ, 3.83f, x);
}

} // namespace xk
