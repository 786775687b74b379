#pragma once

// Functions of one name for real and complex numbers: the real ones are SYCL's, the
// complex ones follow W. Kahan, "Branch cuts for complex elementary functions".

#include "backend/xpu/kernels/number.h"
#include "backend/xpu/kernels/vector_math.h"

namespace xk {

template <class T>
struct real_of {
  using type = T;
};
template <class R>
struct real_of<complex<R>> {
  using type = R;
};
template <class T>
using real_t = typename real_of<T>::type;

// A real function, and the complex one defined beside it.
#define XK_REAL_FUNCTION(name) \
  template <class T> \
  inline std::enable_if_t<is_float<T>, T> name(T v) { \
    return sycl::name(v); \
  }
XK_REAL_FUNCTION(expm1) XK_REAL_FUNCTION(exp2) XK_REAL_FUNCTION(log)
XK_REAL_FUNCTION(log2) XK_REAL_FUNCTION(log10) XK_REAL_FUNCTION(log1p) XK_REAL_FUNCTION(sqrt)
XK_REAL_FUNCTION(sin) XK_REAL_FUNCTION(cos) XK_REAL_FUNCTION(tan) XK_REAL_FUNCTION(sinh)
XK_REAL_FUNCTION(cosh) XK_REAL_FUNCTION(asin) XK_REAL_FUNCTION(acos)
XK_REAL_FUNCTION(atan) XK_REAL_FUNCTION(asinh) XK_REAL_FUNCTION(acosh) XK_REAL_FUNCTION(atanh)
#undef XK_REAL_FUNCTION
inline double exp(double v) { return sycl::exp(v); }
inline float exp(float v) { return vector_exp(v); }
inline double tanh(double v) { return sycl::tanh(v); }
inline float tanh(float v) { return vector_tanh(v); }
inline double erf(double v) { return sycl::erf(v); }
inline float erf(float v) { return vector_erf(v); }

template <class R>
inline complex<R> times_i(complex<R> z) {
  return {-z.im, z.re};
}
template <class R>
inline complex<R> over_i(complex<R> z) {
  return {z.im, -z.re};
}

template <class R>
inline complex<R> exp(complex<R> z) {
  const R e = sycl::exp(z.re);
  if (z.im == R(0)) return {e, z.im};
  if (e == R(0)) return {e * sycl::copysign(R(1), sycl::cos(z.im)), e * sycl::sin(z.im)};
  return {e * sycl::cos(z.im), e * sycl::sin(z.im)};
}
template <class R>
inline complex<R> expm1(complex<R> z) {
  // Through the half angle, which does not cancel near zero.
  const R s = sycl::sin(z.im / 2);
  return {sycl::expm1(z.re) * sycl::cos(z.im) - 2 * s * s, sycl::exp(z.re) * sycl::sin(z.im)};
}
template <class R>
inline complex<R> log(complex<R> z) {
  return {sycl::log(sycl::hypot(z.re, z.im)), sycl::atan2(z.im, z.re)};
}
template <class R>
inline complex<R> log2(complex<R> z) {
  return log(z) * R(1.4426950408889634);
}
template <class R>
inline complex<R> log10(complex<R> z) {
  return log(z) * R(0.43429448190325182);
}
template <class R>
inline complex<R> exp2(complex<R> z) {
  return exp(z * R(0.69314718055994531));
}
template <class R>
inline complex<R> log1p(complex<R> z) {
  const R im = sycl::atan2(z.im, z.re + 1);
  const R m = sycl::hypot(z.re + 1, z.im);
  if (m < R(0.5) || m > R(2)) return {sycl::log(m), im};
  return {sycl::log1p(z.re * (2 + z.re) + z.im * z.im) / 2, im};
}
template <class R>
inline complex<R> sqrt(complex<R> z) {
  if (z.re == R(0) && z.im == R(0)) return {R(0), z.im};
  if (sycl::isinf(z.im)) return {infinity<R>(), z.im};
  if (sycl::isinf(z.re)) {
    if (z.re > R(0)) return {z.re, z.im != z.im ? z.im : sycl::copysign(R(0), z.im)};
    return {z.im != z.im ? z.im : R(0), sycl::copysign(infinity<R>(), z.im)};
  }
  // Halved first, so that the sum cannot overflow.
  const R m = sycl::hypot(z.re / 2, z.im / 2);
  if (z.re >= R(0)) {
    const R t = sycl::sqrt(m + z.re / 2);
    return {t, z.im / (2 * t)};
  }
  const R t = sycl::sqrt(m - z.re / 2);
  return {sycl::fabs(z.im) / (2 * t), sycl::copysign(t, z.im)};
}
template <class R>
inline complex<R> sinh(complex<R> z) {
  return {sycl::sinh(z.re) * sycl::cos(z.im), sycl::cosh(z.re) * sycl::sin(z.im)};
}
template <class R>
inline complex<R> cosh(complex<R> z) {
  return {sycl::cosh(z.re) * sycl::cos(z.im), sycl::sinh(z.re) * sycl::sin(z.im)};
}
template <class R>
inline complex<R> tanh(complex<R> z) {
  if (sycl::fabs(z.re) > R(20)) {
    return {sycl::copysign(R(1), z.re),
            4 * sycl::sin(z.im) * sycl::cos(z.im) * sycl::exp(-2 * sycl::fabs(z.re))};
  }
  const R t = sycl::tan(z.im), beta = 1 + t * t, s = sycl::sinh(z.re);
  const R rho = sycl::sqrt(1 + s * s), d = 1 + beta * s * s;
  return {beta * rho * s / d, t / d};
}
template <class R>
inline complex<R> sin(complex<R> z) {
  return over_i(sinh(times_i(z)));
}
template <class R>
inline complex<R> cos(complex<R> z) {
  return cosh(times_i(z));
}
template <class R>
inline complex<R> tan(complex<R> z) {
  return over_i(tanh(times_i(z)));
}
template <class R>
inline complex<R> asin(complex<R> z) {
  const complex<R> one(1), a = sqrt(one - z), b = sqrt(one + z);
  return {sycl::atan2(z.re, (a * b).re), sycl::asinh((conj(a) * b).im)};
}
template <class R>
inline complex<R> acos(complex<R> z) {
  const complex<R> one(1), a = sqrt(one - z), b = sqrt(one + z);
  return {2 * sycl::atan2(a.re, b.re), sycl::asinh((conj(b) * a).im)};
}
template <class R>
inline complex<R> acosh(complex<R> z) {
  const complex<R> one(1), a = sqrt(z - one), b = sqrt(z + one);
  return {sycl::asinh((conj(a) * b).re), 2 * sycl::atan2(a.im, b.re)};
}
template <class R>
inline complex<R> atanh(complex<R> z) {
  // Odd: on the positive side nothing cancels in the logarithm.
  const R x = sycl::fabs(z.re), less = 1 - x, y2 = z.im * z.im;
  return {sycl::copysign(sycl::log1p(4 * x / (less * less + y2)) / 4, z.re),
          sycl::atan2(2 * z.im, less * (1 + x) - y2) / 2};
}
template <class R>
inline complex<R> asinh(complex<R> z) {
  return over_i(asin(times_i(z)));
}
template <class R>
inline complex<R> atan(complex<R> z) {
  return over_i(atanh(times_i(z)));
}

template <class T>
inline T rsqrt(T v) {
  return T(1) / xk::sqrt(v);
}

// Integers: by squaring; a negative exponent leaves a fraction, cut to zero.
template <class T>
inline T power(T a, T b) {
  if constexpr (is_float<T>) {
    return sycl::pow(a, b);
  } else if constexpr (is_complex<T>) {
    if (!nonzero(b)) return T(1);
    if (!nonzero(a)) return b.re > 0 ? T(0) : T(quiet_nan<real_t<T>>(), quiet_nan<real_t<T>>());
    return exp(log(a) * b);
  } else {
    if constexpr (std::is_signed_v<T>) {
      if (b < 0) return a == 1 ? T(1) : a == T(-1) ? T(b % 2 != 0 ? -1 : 1) : T(0);
    }
    T result = 1;
    while (b != 0) {
      if ((b & 1) != 0) result = T(result * a);
      b = T(b >> 1);
      a = T(a * a);
    }
    return result;
  }
}

template <class T>
inline T sigmoid(T v) {
  return T(1) / (T(1) + xk::exp(-v));
}

} // namespace xk
