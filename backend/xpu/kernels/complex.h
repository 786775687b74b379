#pragma once

// Complex numbers of device code: std::complex's operators call library functions
// that a device does not have.

#include <sycl/sycl.hpp>

namespace xk {

template <class R>
struct complex {
  using real_type = R;
  R re, im;
  complex() = default;
  constexpr complex(R r, R i = R(0)) : re(r), im(i) {}
  template <class U>
  explicit constexpr complex(complex<U> z) : re(R(z.re)), im(R(z.im)) {}
};

template <class T>
struct is_complex_t : std::false_type {};
template <class R>
struct is_complex_t<complex<R>> : std::true_type {};
template <class T>
inline constexpr bool is_complex = is_complex_t<T>::value;

template <class R>
inline complex<R> operator+(complex<R> a, complex<R> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class R>
inline complex<R> operator-(complex<R> a, complex<R> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class R>
inline complex<R> operator-(complex<R> a) {
  return {-a.re, -a.im};
}
template <class R>
inline complex<R> operator*(complex<R> a, complex<R> b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class R>
inline complex<R> operator*(complex<R> a, R b) {
  return {a.re * b, a.im * b};
}
template <class R>
inline complex<R> operator*(R a, complex<R> b) {
  return {a * b.re, a * b.im};
}
// Smith's method: no overflow where the quotient has none.
template <class R>
inline complex<R> operator/(complex<R> a, complex<R> b) {
  const R c = sycl::fabs(b.re), d = sycl::fabs(b.im);
  if (c >= d) {
    if (c == R(0)) return {a.re / c, a.im / c};
    const R ratio = b.im / b.re, scale = R(1) / (b.re + b.im * ratio);
    return {(a.re + a.im * ratio) * scale, (a.im - a.re * ratio) * scale};
  }
  const R ratio = b.re / b.im, scale = R(1) / (b.re * ratio + b.im);
  return {(a.re * ratio + a.im) * scale, (a.im * ratio - a.re) * scale};
}
template <class R>
inline complex<R> operator/(complex<R> a, R b) {
  return {a.re / b, a.im / b};
}
template <class R>
inline bool operator==(complex<R> a, complex<R> b) {
  return a.re == b.re && a.im == b.im;
}
template <class R>
inline bool operator!=(complex<R> a, complex<R> b) {
  return !(a == b);
}
template <class R>
inline complex<R> conj(complex<R> a) {
  return {a.re, -a.im};
}
template <class R>
inline R abs(complex<R> a) {
  return sycl::hypot(a.re, a.im);
}
template <class R>
inline R arg(complex<R> a) {
  return sycl::atan2(a.im, a.re);
}
template <class R>
inline bool nonzero(complex<R> a) {
  return a.re != R(0) || a.im != R(0);
}
template <class T>
inline bool nonzero(T a) {
  return a != T(0);
}

} // namespace xk
