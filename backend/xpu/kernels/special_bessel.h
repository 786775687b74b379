#pragma once

// Bessel functions, from Cephes' tables: rational functions near zero, amplitude and
// phase far away; Chebyshev series for the modified ones.

#include "backend/xpu/kernels/cephes_tables.h"
#include "backend/xpu/kernels/special_gamma.h"

namespace xk {

// Clenshaw's sum, with half of the last coefficient.
template <class T, size_t N>
inline T chebyshev(const T (&c)[N], T x) {
  T now = c[0], before = 0, older = 0;
#pragma unroll
  for (size_t i = 1; i < N; ++i) {
    older = before;
    before = now;
    now = x * before - older + c[i];
  }
  return T(0.5) * (now - older);
}

// exp(-|x|) I0(x), and I1.
template <class T>
inline T bessel_i0e(T v) {
  const T x = sycl::fabs(v);
  if (x <= T(8)) return chebyshev(kI0EA<T>, x / 2 - 2);
  return chebyshev(kI0EB<T>, T(32) / x - 2) / sycl::sqrt(x);
}
template <class T>
inline T bessel_i1e(T v) {
  const T x = sycl::fabs(v);
  const T r = x <= T(8) ? chebyshev(kI1EA<T>, x / 2 - 2) * x
                        : chebyshev(kI1EB<T>, T(32) / x - 2) / sycl::sqrt(x);
  return v < T(0) ? -r : r;
}
template <class T>
inline T bessel_i0(T x) {
  return sycl::exp(sycl::fabs(x)) * bessel_i0e(x);
}
template <class T>
inline T bessel_i1(T x) {
  return sycl::exp(sycl::fabs(x)) * bessel_i1e(x);
}

// K0 and K1, times exp(x) if scaled.
template <class T>
inline T bessel_k0(T x, bool scaled) {
  if (x == T(0)) return infinity<T>();
  if (!(x > T(0))) return quiet_nan<T>();
  if (x <= T(2)) {
    const T k = chebyshev(kK0A<T>, x * x - 2) - sycl::log(x / 2) * bessel_i0(x);
    return scaled ? k * sycl::exp(x) : k;
  }
  const T k = chebyshev(kK0B<T>, T(8) / x - 2) / sycl::sqrt(x);
  return scaled ? k : k * sycl::exp(-x);
}
template <class T>
inline T bessel_k1(T x, bool scaled) {
  if (x == T(0)) return infinity<T>();
  if (!(x > T(0))) return quiet_nan<T>();
  if (x <= T(2)) {
    const T k = sycl::log(x / 2) * bessel_i1(x) + chebyshev(kK1A<T>, x * x - 2) / x;
    return scaled ? k * sycl::exp(x) : k;
  }
  const T k = chebyshev(kK1B<T>, T(8) / x - 2) / sycl::sqrt(x);
  return scaled ? k : k * sycl::exp(-x);
}

// Amplitudes p and q of a wave at `phase`; its sine for Y, else its cosine.
template <class T>
inline T bessel_wave(T x, T phase, T p, T q, bool sine) {
  const T angle = x - phase, s = sycl::sin(angle), c = sycl::cos(angle), far = T(5) / x * q;
  return (sine ? p * s + far * c : p * c - far * s) * T(0.79788456080286535588) / sycl::sqrt(x);
}
template <class T>
inline T bessel_far0(T x, bool second) {
  const T z = T(25) / (x * x), phase = kPi<T> / 4;
  return second ? bessel_wave(x, phase, polynomial(kY0PP<T>, z) / polynomial(kY0PQ<T>, z),
                              polynomial(kY0QP<T>, z) / polynomial(kY0QQ<T>, z), true)
                : bessel_wave(x, phase, polynomial(kJ0PP<T>, z) / polynomial(kJ0PQ<T>, z),
                              polynomial(kJ0QP<T>, z) / polynomial(kJ0QQ<T>, z), false);
}
template <class T>
inline T bessel_far1(T x, bool second) {
  const T z = T(25) / (x * x), phase = 3 * kPi<T> / 4;
  return second ? bessel_wave(x, phase, polynomial(kY1PP<T>, z) / polynomial(kY1PQ<T>, z),
                              polynomial(kY1QP<T>, z) / polynomial(kY1QQ<T>, z), true)
                : bessel_wave(x, phase, polynomial(kJ1PP<T>, z) / polynomial(kJ1PQ<T>, z),
                              polynomial(kJ1QP<T>, z) / polynomial(kJ1QQ<T>, z), false);
}

template <class T>
inline T bessel_j0(T v) {
  const T x = sycl::fabs(v), z = x * x;
  if (x > T(5)) return bessel_far0(x, false);
  if (x < T(1e-5)) return T(1) - z / 4;
  return (z - T(5.78318596294678452118)) * (z - T(30.4712623436620863991)) *
      polynomial(kJ0RP<T>, z) / polynomial(kJ0RQ<T>, z);
}
template <class T>
inline T bessel_j1(T v) {
  const T x = sycl::fabs(v), z = x * x;
  const T r = x > T(5)
      ? bessel_far1(x, false)
      : polynomial(kJ1RP<T>, z) / polynomial(kJ1RQ<T>, z) * x *
          (z - T(14.6819706421238932572)) * (z - T(49.2184563216946036703));
  return v < T(0) ? -r : r;
}
template <class T>
inline T bessel_y0(T x) {
  if (x == T(0)) return -infinity<T>();
  if (!(x > T(0))) return quiet_nan<T>();
  if (x > T(5)) return bessel_far0(x, true);
  const T z = x * x;
  return polynomial(kY0YP<T>, z) / polynomial(kY0YQ<T>, z) +
      T(0.63661977236758134308) * sycl::log(x) * bessel_j0(x);
}
template <class T>
inline T bessel_y1(T x) {
  if (x == T(0)) return -infinity<T>();
  if (!(x > T(0))) return quiet_nan<T>();
  if (x > T(5)) return bessel_far1(x, true);
  const T z = x * x;
  return x * (polynomial(kY1YP<T>, z) / polynomial(kY1YQ<T>, z)) +
      T(0.63661977236758134308) * (bessel_j1(x) * sycl::log(x) - T(1) / x);
}

template <class T>
inline T spherical_j0(T x) {
  if (sycl::isinf(x)) return T(0);
  if (sycl::fabs(x) >= T(0.5)) return sycl::sin(x) / x;
  constexpr T kSeries[] = {T(1) / T(6227020800.0), T(-1) / T(39916800.0), T(1) / T(362880.0),
                           T(-1) / T(5040.0),      T(1) / T(120.0),       T(-1) / T(6.0), T(1)};
  return polynomial(kSeries, x * x);
}

// Waves far below zero, an exponential far above, a power series between.
template <class T>
inline T airy(T x) {
  if (sycl::isinf(x)) return quiet_nan<T>();
  if (x > T(103.892)) return T(0);
  constexpr T kFront = T(0.564189583547756286948);
  const T power = T(2) * sycl::fabs(x) * sycl::sqrt(sycl::fabs(x)) / T(3);
  if (x < T(-2.09)) {
    const T z = T(1) / power, z2 = z * z, t = power + kPi<T> / 4;
    const T f = T(1) + z2 * polynomial(kAiryAFN<T>, z2) / polynomial(kAiryAFD<T>, z2);
    const T g = z * polynomial(kAiryAGN<T>, z2) / polynomial(kAiryAGD<T>, z2);
    return kFront / sycl::sqrt(sycl::sqrt(-x)) * (sycl::sin(t) * f - sycl::cos(t) * g);
  }
  if (x >= T(2.09)) {
    const T z = T(1) / power;
    return kFront * polynomial(kAiryAN<T>, z) / polynomial(kAiryAD<T>, z) /
        (T(2) * sycl::sqrt(sycl::sqrt(x)) * sycl::exp(power));
  }
  const T cube = x * x * x;
  T f = 1, g = x, m = 1, n = x, k = 1, t = 1;
  for (int i = 0; i < 100 && t > std::numeric_limits<T>::epsilon(); ++i) {
    m *= cube / ((k + 1) * (k + 2));
    n *= cube / ((k + 2) * (k + 3));
    k += T(3);
    // Terms are x^3k over products of neighbours: 2*3, 5*6, ... and 3*4, 6*7, ...
    f += m;
    g += n;
    t = sycl::fabs(m / f);
  }
  return T(0.355028053887817239260) * f - T(0.258819403792806798405) * g;
}

} // namespace xk
