// Orthogonal polynomials of degree n (the second operand) at x, by their recurrences;
// Chebyshev's of a high degree inside [-1, 1] by their trigonometric forms.

#include "backend/xpu/kernels/elementwise.h"
#include "backend/xpu/kernels/number.h"

namespace {

enum Kind { kT, kU, kV, kW };

template <Kind kind, class T>
inline T chebyshev(T x, int64_t n) {
  if (n < 0) return T(0);
  const T odd = n % 2 == 0 ? T(1) : T(-1), wide = T(n + n + 1);
  if (sycl::fabs(x) == T(1)) {
    if constexpr (kind == kT) return x > T(0) ? T(1) : odd;
    if constexpr (kind == kU) return (x > T(0) ? T(1) : odd) * T(n + 1);
    if constexpr (kind == kV) return x > T(0) ? T(1) : odd * wide;
    return x > T(0) ? wide : odd;
  }
  if (n > (kind == kT ? 6 : 8) && sycl::fabs(x) < T(1)) {
    const T angle = sycl::acos(x), half = angle / 2;
    if constexpr (kind == kT) return sycl::cos(T(n) * angle);
    if constexpr (kind == kU) return sycl::sin(T(n + 1) * angle) / sycl::sin(angle);
    if constexpr (kind == kV) return sycl::cos((T(n) + T(0.5)) * angle) / sycl::cos(half);
    return sycl::sin((T(n) + T(0.5)) * angle) / sycl::sin(half);
  }
  if (n == 0) return T(1);
  const T two = x + x;
  T p = 1, q = kind == kT ? x : kind == kU ? two : kind == kV ? two - T(1) : two + T(1);
  for (int64_t k = 2; k <= n && q == q; ++k) {
    const T r = two * q - p;
    p = q;
    q = r;
  }
  return q;
}

// The physicists' (step 2) and the probabilists' (step 1).
template <class T>
inline T hermite(T x, int64_t n, int step) {
  if (n < 0) return T(0);
  if (n == 0) return T(1);
  if (n > (sizeof(T) == 4 ? 128 : 512)) return xk::quiet_nan<T>();
  const T scaled = step == 2 ? x + x : x;
  T p = 1, q = scaled;
  for (int64_t k = 1; k < n; ++k) {
    const T r = scaled * q - T(k * step) * p;
    p = q;
    q = r;
  }
  return q;
}

template <class T>
inline T laguerre(T x, int64_t n) {
  if (n < 0) return T(0);
  if (n == 0 || x == T(0)) return T(1);
  T p = 1, q = T(1) - x;
  for (int64_t k = 1; k < n && q == q; ++k) {
    const T r = ((T(k + k) + (T(1) - x)) * q - T(k) * p) / T(k + 1);
    p = q;
    q = r;
  }
  return q;
}

template <class T>
inline T legendre(T x, int64_t n) {
  if (n < 0) return T(0);
  if (sycl::fabs(x) == T(1)) return x > T(0) || n % 2 == 0 ? T(1) : T(-1);
  if (n == 0) return T(1);
  T p = 1, q = x;
  for (int64_t k = 1; k < n && q == q; ++k) {
    const T r = (T(k + k + 1) * x * q - T(k) * p) / T(k + 1);
    p = q;
    q = r;
  }
  return q;
}

} // namespace

XK_OP2(ChebyshevT, return chebyshev<kT>(a, int64_t(b)))
XK_OP2(ChebyshevU, return chebyshev<kU>(a, int64_t(b)))
XK_OP2(ChebyshevV, return chebyshev<kV>(a, int64_t(b)))
XK_OP2(ChebyshevW, return chebyshev<kW>(a, int64_t(b)))
XK_OP2(ShiftedT, return chebyshev<kT>(a + a - T(1), int64_t(b)))
XK_OP2(ShiftedU, return chebyshev<kU>(a + a - T(1), int64_t(b)))
XK_OP2(ShiftedV, return chebyshev<kV>(a + a - T(1), int64_t(b)))
XK_OP2(ShiftedW, return chebyshev<kW>(a + a - T(1), int64_t(b)))
XK_OP2(HermiteH, return hermite(a, int64_t(b), 2))
XK_OP2(HermiteHe, return hermite(a, int64_t(b), 1))
XK_OP2(Laguerre, return laguerre(a, int64_t(b)))
XK_OP2(Legendre, return legendre(a, int64_t(b)))

#define EW_WIDE(op, Op) EW_TYPED(op, Op, 2, f32) EW_TYPED(op, Op, 2, f64)
EW_WIDE(chebyshev_polynomial_t, ChebyshevT)
EW_WIDE(chebyshev_polynomial_u, ChebyshevU)
EW_WIDE(chebyshev_polynomial_v, ChebyshevV)
EW_WIDE(chebyshev_polynomial_w, ChebyshevW)
EW_WIDE(shifted_chebyshev_polynomial_t, ShiftedT)
EW_WIDE(shifted_chebyshev_polynomial_u, ShiftedU)
EW_WIDE(shifted_chebyshev_polynomial_v, ShiftedV)
EW_WIDE(shifted_chebyshev_polynomial_w, ShiftedW)
EW_WIDE(hermite_polynomial_h, HermiteH)
EW_WIDE(hermite_polynomial_he, HermiteHe)
EW_WIDE(laguerre_polynomial_l, Laguerre)
EW_WIDE(legendre_polynomial_p, Legendre)
