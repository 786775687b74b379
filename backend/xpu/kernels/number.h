#pragma once

// Arithmetic that C++ leaves undefined, or that Python defines otherwise: division
// of integers (a device must not trap), modulo with the sign of the divisor.

#include <limits>

#include "backend/xpu/kernels/complex.h"

namespace xk {

template <class T>
inline constexpr bool is_float = std::is_same_v<T, float> || std::is_same_v<T, double>;

// Integers: all ones for a division by zero, as other devices give.
template <class T>
inline T div_trunc(T a, T b) {
  if constexpr (is_float<T>) {
    return sycl::trunc(a / b);
  } else {
    if (b == 0) return T(-1);
    if constexpr (std::is_signed_v<T>) {
      if (b == T(-1)) return T(0 - std::make_unsigned_t<T>(a));
    }
    return T(a / b);
  }
}

template <class T>
inline T fmod(T a, T b) {
  if constexpr (is_float<T>) {
    return sycl::fmod(a, b);
  } else {
    if (b == 0) return a;
    if constexpr (std::is_signed_v<T>) {
      if (b == T(-1)) return 0;
    }
    return T(a % b);
  }
}

template <class T>
inline T remainder(T a, T b) {
  T r = fmod(a, b);
  if (r != T(0) && (b < T(0)) != (r < T(0))) r = T(r + b);
  return r;
}

template <class T>
inline T div_floor(T a, T b) {
  if constexpr (is_float<T>) {
    if (b == T(0)) return a / b;
    const T r = sycl::fmod(a, b);
    T q = (a - r) / b;
    if (r != T(0) && (b < T(0)) != (r < T(0))) q -= T(1);
    if (q == T(0)) return sycl::copysign(T(0), a / b);
    const T floor = sycl::floor(q);
    return q - floor > T(0.5) ? floor + T(1) : floor;
  } else {
    const T q = div_trunc(a, b);
    if constexpr (std::is_signed_v<T>) {
      if (b != 0 && (a < 0) != (b < 0) && fmod(a, b) != 0) return T(q - 1);
    }
    return q;
  }
}

template <class T>
inline bool isnan(T v) {
  if constexpr (is_float<T>) return v != v;
  else if constexpr (is_complex<T>) return v.re != v.re || v.im != v.im;
  else return false;
}

template <class T>
inline constexpr T infinity() {
  return std::numeric_limits<T>::infinity();
}
template <class T>
inline constexpr T quiet_nan() {
  return std::numeric_limits<T>::quiet_NaN();
}

} // namespace xk
