// Functions of two and three numbers that are no plain arithmetic.

#include "backend/xpu/kernels/complex_math.h"
#include "backend/xpu/kernels/elementwise.h"

XK_OP2(Atan2, return sycl::atan2(a, b))
XK_OP2(Hypot, return sycl::hypot(a, b))
struct NextAfter {
  template <class T>
  static T run(const xk::Params<T>& p, T a, T b) {
    if constexpr (std::is_same_v<T, float>) {
      if (p.stored == xk::Stored::kBF16 && a != b && a == a && b == b) {
        // The upper half of a float: its neighbours are a step of 2^16 away.
        const uint32_t bits = sycl::bit_cast<uint32_t>(a), step = 0x10000u;
        if (a == 0.0f) return sycl::bit_cast<float>(step | (b < 0.0f ? 0x80000000u : 0u));
        return sycl::bit_cast<float>((a > 0.0f) == (b > a) ? bits + step : bits - step);
      }
    }
    return sycl::nextafter(a, b);
  }
};
XK_OP2(Heaviside, return a == T(0) ? b : T(a > T(0) ? 1 : 0))
XK_OP2(Ldexp, return a * sycl::exp2(b))

template <class T>
inline T magnitude(T v) {
  if constexpr (std::is_signed_v<T>) return v < 0 ? T(0 - v) : v;
  else return v;
}
template <class T>
inline T common_divisor(T a, T b) {
  a = magnitude(a);
  b = magnitude(b);
  while (a != 0) {
    const T c = a;
    a = xk::fmod(b, a);
    b = c;
  }
  return b;
}
XK_OP2(Gcd, return common_divisor(a, b))
XK_OP2(Lcm, const T d = common_divisor(a, b);
       return d == 0 ? T(0) : magnitude(T(xk::div_trunc(a, d) * b)))

XK_OP3(AddCMul, return T(a + p(0) * b * c))
XK_OP3(AddCDiv, return T(a + p(0) * b / c))

template <class T>
inline T between(T a, T b, T weight) {
  bool low;
  if constexpr (xk::is_complex<T>) low = xk::abs(weight) < xk::real_t<T>(0.5);
  else low = sycl::fabs(weight) < T(0.5);
  return low ? a + weight * (b - a) : b - (b - a) * (T(1) - weight);
}
XK_OP3(Lerp, return between(a, b, c))
XK_OP2(LerpScalar, return between(a, b, p(0)))

EW_FLOATS(atan2, Atan2, 2)
EW_FLOATS(hypot, Hypot, 2)
EW_TYPED(nextafter, NextAfter, 2, f32) EW_TYPED(nextafter, NextAfter, 2, f64)
EW_TYPED(nextafter, NextAfter, 2, bf16)
EW_FLOATS(heaviside, Heaviside, 2) EW_INTS(heaviside, Heaviside, 2) EW_BOOL(heaviside, Heaviside, 2)
EW_FLOATS(ldexp, Ldexp, 2)
EW_INTS(gcd, Gcd, 2)
EW_INTS(lcm, Lcm, 2)
EW_FLOATS(addcmul, AddCMul, 3) EW_INTS(addcmul, AddCMul, 3) EW_COMPLEX(addcmul, AddCMul, 3)
EW_FLOATS(addcdiv, AddCDiv, 3) EW_COMPLEX(addcdiv, AddCDiv, 3)
EW_FLOATS(lerp, Lerp, 3) EW_COMPLEX(lerp, Lerp, 3)
EW_FLOATS(lerp_scalar, LerpScalar, 2) EW_COMPLEX(lerp_scalar, LerpScalar, 2)
