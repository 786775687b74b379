#pragma once

// The gamma function's relatives.

#include "backend/xpu/kernels/number.h"

namespace xk {

template <class T>
inline constexpr T kPi = T(3.14159265358979323846);

// Coefficients with the highest power first.
template <class T, size_t N>
inline T polynomial(const T (&c)[N], T x) {
  T sum = c[0];
#pragma unroll
  for (size_t i = 1; i < N; ++i) sum = sum * x + c[i];
  return sum;
}

// Reflection below zero, recurrence up to 10, then the asymptotic series.
template <class T>
inline T digamma(T x) {
  if (x == T(0)) return sycl::copysign(infinity<T>(), -x);
  T result = 0;
  if (x < T(0)) {
    const T whole = sycl::trunc(x);
    if (x == whole) return quiet_nan<T>();
    result = -kPi<T> / sycl::tan(kPi<T> * (x - sycl::rint(x))); // a period away from the pole
    x = T(1) - x;
  }
  while (x < T(10)) {
    result -= T(1) / x;
    x += T(1);
  }
  const T z = T(1) / (x * x);
  constexpr T kSeries[] = {T(8.33333333333333333333E-2),  T(-2.10927960927960927961E-2),
                           T(7.57575757575757575758E-3),  T(-4.16666666666666666667E-3),
                           T(3.96825396825396825397E-3),  T(-8.33333333333333333333E-3),
                           T(8.33333333333333333333E-2)};
  return result + sycl::log(x) - T(0.5) / x - z * polynomial(kSeries, z);
}

template <class T>
inline T trigamma(T x) {
  T sign = 1, result = 0;
  if (x < T(0.5)) {
    const T s = sycl::sin(kPi<T> * x); // not sinpi: torch's values near the poles
    sign = -1;
    result = -(kPi<T> * kPi<T>) / (s * s);
    x = T(1) - x;
  }
  for (int i = 0; i < 6; ++i) {
    result += T(1) / (x * x);
    x += T(1);
  }
  const T z = T(1) / (x * x);
  result += (T(1) + T(0.5) / x + z * (T(1) / 6 - z * (T(1) / 30 - z * (T(1) / 42)))) / x;
  return sign * result;
}

// Hurwitz's zeta by Euler and Maclaurin: nine terms, then the tail.
template <class T>
inline T zeta(T x, T q) {
  if (x == T(1)) return infinity<T>();
  if (x < T(1)) return quiet_nan<T>();
  if (q <= T(0)) {
    if (q == sycl::floor(q)) return infinity<T>();
    if (x != sycl::floor(x)) return quiet_nan<T>();
  }
  constexpr T kEpsilon = std::numeric_limits<T>::epsilon() / 2;
  T sum = sycl::pow(q, -x), a = q, b = 0;
  for (int i = 0; i < 9 || a <= T(9); ++i) {
    a += T(1);
    b = sycl::pow(a, -x);
    sum += b;
    if (-kEpsilon * sum < b && b < kEpsilon * sum) return sum;
  }
  constexpr T kTail[] = {T(12.0), T(-720.0), T(30240.0), T(-1209600.0), T(47900160.0),
                         T(-1.8924375803183791606e9), T(7.47242496e10),
                         T(-2.950130727918164224e12), T(1.1646782814350067249e14),
                         T(-4.5979787224074726105e15), T(1.8152105401943546773e17),
                         T(-7.1661652561756670113e18)};
  sum += b * a / (x - T(1)) - T(0.5) * b;
  T factor = 1, k = 0;
#pragma unroll
  for (int i = 0; i < 12; ++i) {
    factor *= x + k;
    b /= a;
    const T t = factor * b / kTail[i];
    sum += t;
    if (sycl::fabs(t / sum) < kEpsilon) return sum;
    k += T(1);
    factor *= x + k;
    b /= a;
    k += T(1);
  }
  return sum;
}

// The derivative of digamma of order n > 1.
template <class T>
inline T polygamma(int n, T x) {
  const T value = sycl::exp(sycl::lgamma(T(n) + T(1))) * zeta(T(n + 1), x);
  return n % 2 != 0 ? value : -value;
}

// The share of the gamma function's integral below x (above it, if `upper`): a power
// series where that converges fast, else Lentz's continued fraction.
template <class T>
inline T incomplete_gamma(T a, T x, bool upper) {
  if (a < T(0) || x < T(0) || a != a || x != x) return quiet_nan<T>();
  if (a == T(0)) return x > T(0) ? T(upper ? 0 : 1) : quiet_nan<T>();
  if (x == T(0)) return T(upper ? 1 : 0);
  if (sycl::isinf(a)) return sycl::isinf(x) ? quiet_nan<T>() : T(upper ? 1 : 0);
  if (sycl::isinf(x)) return T(upper ? 0 : 1);
  constexpr T kEpsilon = std::numeric_limits<T>::epsilon() / 2;
  constexpr int kMost = 4000;
  const T front = sycl::exp(a * sycl::log(x) - x - sycl::lgamma(a));
  if (x < a + T(1)) {
    T term = T(1) / a, sum = term, n = a;
    for (int i = 0; i < kMost && term > sum * kEpsilon; ++i) {
      n += T(1);
      term *= x / n;
      sum += term;
    }
    const T below = sum * front;
    return upper ? T(1) - below : below;
  }
  constexpr T kTiny = std::numeric_limits<T>::min() / kEpsilon;
  T b = x + T(1) - a, c = T(1) / kTiny, d = T(1) / b, h = d;
  for (int i = 1; i < kMost; ++i) {
    const T an = -T(i) * (T(i) - a);
    b += T(2);
    d = an * d + b;
    if (sycl::fabs(d) < kTiny) d = kTiny;
    c = b + an / c;
    if (sycl::fabs(c) < kTiny) c = kTiny;
    d = T(1) / d;
    const T delta = d * c;
    h *= delta;
    if (sycl::fabs(delta - T(1)) < kEpsilon) break;
  }
  const T above = front * h;
  return upper ? above : T(1) - above;
}

} // namespace xk
