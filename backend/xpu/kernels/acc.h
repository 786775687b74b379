#pragma once

// In which type an element is computed with, and how it gets in and out of
// memory: halves in float, integers (and bool) in int64, the rest as they are.
// Device code. bfloat16 is converted by its bits: the built-in conversions are
// function calls that stop the vectoriser on CPU devices.

#include "backend/xpu/kernels/device.h"

namespace xk {

template <class T>
struct Complex {
  T re, im;
  friend Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
  friend Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
  friend Complex operator*(Complex a, Complex b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  }
  friend Complex operator/(Complex a, T b) { return {a.re / b, a.im / b}; }
  friend bool operator==(Complex a, Complex b) { return a.re == b.re && a.im == b.im; }
};
using c64 = Complex<float>;
using c128 = Complex<double>;

// Storage of bool: any byte; only zero is false.
struct b8 {
  uint8_t byte;
};

template <class T>
struct AccOf {
  using type = int64_t;
};
template <> struct AccOf<float> { using type = float; };
template <> struct AccOf<double> { using type = double; };
template <> struct AccOf<f16> { using type = float; };
template <> struct AccOf<bf16> { using type = float; };
template <> struct AccOf<c64> { using type = c64; };
template <> struct AccOf<c128> { using type = c128; };
template <class T> using acc_t = typename AccOf<T>::type;

// The real numbers behind an accumulation type, for scale factors.
template <class A> struct RealOf { using type = A; };
template <class T> struct RealOf<Complex<T>> { using type = T; };
template <class A> using real_t = typename RealOf<A>::type;

template <class T> inline constexpr bool is_real_v =
    std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, f16> ||
    std::is_same_v<T, bf16>;

template <class T>
inline acc_t<T> widen(T x) {
  if constexpr (std::is_same_v<T, bf16>) {
    return sycl::bit_cast<float>(uint32_t{sycl::bit_cast<uint16_t>(x)} << 16);
  } else if constexpr (std::is_same_v<T, b8>) {
    return x.byte != 0;
  } else {
    return static_cast<acc_t<T>>(x);
  }
}

inline bf16 to_bf16(float x) {
  const uint32_t bits = sycl::bit_cast<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t nan = (bits >> 16) | 0x40u;
  return sycl::bit_cast<bf16>(static_cast<uint16_t>(x != x ? nan : rounded));
}

template <class T>
inline T narrow(acc_t<T> x) {
  if constexpr (std::is_same_v<T, bf16>) {
    return to_bf16(x);
  } else if constexpr (std::is_same_v<T, b8>) {
    return b8{static_cast<uint8_t>(x != 0)};
  } else {
    return static_cast<T>(x);
  }
}

template <class T>
inline bool is_nan(T x) {
  if constexpr (std::is_integral_v<T>) return false;
  else return x != x;
}

} // namespace xk
