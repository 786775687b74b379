#pragma once

// The error function's relatives.

#include "backend/xpu/kernels/cephes_tables.h"
#include "backend/xpu/kernels/special_gamma.h"

namespace xk {

// A rational start by Giles' method of two regions, and two steps of Newton's: near one
// on the complement, which is exact there.
template <class T>
inline T erfinv(T y) {
  constexpr T kSlope = T(1.12837916709551257); // of erf at zero
  const T size = sycl::fabs(y);
  if (size > T(1) || y != y) return quiet_nan<T>();
  if (size == T(1)) return sycl::copysign(infinity<T>(), y);
  if (size <= T(0.7)) {
    constexpr T kUp[] = {T(-0.140543331), T(0.914624893), T(-1.645349621), T(0.886226899)};
    constexpr T kDown[] = {T(0.012229801), T(-0.329097515), T(1.442710462), T(-2.118377725), T(1)};
    const T z = y * y;
    T x = y * polynomial(kUp, z) / polynomial(kDown, z);
    for (int i = 0; i < 2; ++i) x -= (sycl::erf(x) - y) / (kSlope * sycl::exp(-x * x));
    return x;
  }
  constexpr T kUp[] = {T(1.641345311), T(3.429567803), T(-1.624906493), T(-1.970840454)};
  constexpr T kDown[] = {T(1.637067800), T(3.543889200), T(1)};
  const T rest = T(1) - size, z = sycl::sqrt(-sycl::log(rest / 2));
  T x = polynomial(kUp, z) / polynomial(kDown, z);
  for (int i = 0; i < 2; ++i) x += (sycl::erfc(x) - rest) / (kSlope * sycl::exp(-x * x));
  return sycl::copysign(x, y);
}

// exp(x^2) erfc(x); the product until erfc gets small, then the asymptotic series.
template <class T>
inline T erfcx(T x) {
  constexpr T kFar = sizeof(T) == 4 ? T(5) : T(10);
  if (x < kFar) {
    const T square = x * x, rest = sycl::fma(x, x, -square);
    return sycl::exp(square) * (T(1) + rest) * sycl::erfc(x);
  }
  const T z = T(-0.5) / (x * x);
  T term = 1, sum = 1;
#pragma unroll
  for (int k = 1; k <= 12; ++k) {
    term *= z * T(2 * k - 1);
    sum += term;
  }
  return sum * T(0.56418958354775629) / x;
}

template <class T>
inline T log_ndtr(T x) {
  const T t = x * T(0.70710678118654752);
  if (x < T(-1)) return sycl::log(erfcx(-t) / 2) - t * t;
  return sycl::log1p(-sycl::erfc(t) / 2);
}

// The inverse of the normal distribution function, by Cephes' three regions.
template <class T>
inline T ndtri(T p) {
  if (p == T(0)) return -infinity<T>();
  if (p == T(1)) return infinity<T>();
  if (p < T(0) || p > T(1) || p != p) return quiet_nan<T>();
  constexpr T kTail = T(0.13533528323661269189); // exp(-2)
  const bool upper = p > T(1) - kTail;
  const T y = upper ? T(1) - p : p;
  if (y > kTail) {
    const T c = y - T(0.5), z = c * c;
    return (c + c * (z * polynomial(kNdtriP0<T>, z) / polynomial(kNdtriQ0<T>, z))) *
        T(2.50662827463100050242);
  }
  const T x = sycl::sqrt(T(-2) * sycl::log(y)), z = T(1) / x;
  const T first = x - sycl::log(x) / x;
  const T second = x < T(8) ? z * polynomial(kNdtriP1<T>, z) / polynomial(kNdtriQ1<T>, z)
                            : z * polynomial(kNdtriP2<T>, z) / polynomial(kNdtriQ2<T>, z);
  return upper ? first - second : second - first;
}

} // namespace xk
