// Signs, rounding, parts of numbers.

#include "backend/xpu/kernels/complex_math.h"
#include "backend/xpu/kernels/elementwise.h"

struct Abs {
  template <class T>
  static auto run(const xk::Params<T>& p, T a) {
    if constexpr (xk::is_complex<T>) return xk::abs(a);
    else if constexpr (xk::is_float<T>) return sycl::fabs(a);
    else return T(a < T(0) ? T(0) - a : a);
  }
};
struct Angle {
  template <class T>
  static auto run(const xk::Params<T>& p, T a) {
    if constexpr (xk::is_complex<T>) return xk::arg(a);
    else return xk::isnan(a) ? a : a < T(0) ? T(3.14159265358979324) : T(0);
  }
};
struct Neg {
  template <class T>
  static T run(const xk::Params<T>& p, T a) {
    if constexpr (std::is_integral_v<T>) return T(0 - a);
    else return -a;
  }
};
XK_OP1(Conj, return xk::conj(a))
XK_OP1(NegConj, return -xk::conj(a))
struct Sign {
  template <class T>
  static T run(const xk::Params<T>& p, T a) {
    if constexpr (xk::is_complex<T>) return xk::nonzero(a) ? a / xk::abs(a) : T(0);
    else return T((T(0) < a) - (a < T(0)));
  }
};
struct SignBit {
  template <class T>
  static bool run(const xk::Params<T>& p, T a) {
    if constexpr (xk::is_float<T>) return sycl::signbit(a);
    else return a < T(0);
  }
};
XK_OP1(Floor, return sycl::floor(a))
XK_OP1(Ceil, return sycl::ceil(a))
XK_OP1(Round, return sycl::rint(a))
XK_OP1(Trunc, return sycl::trunc(a))
XK_OP1(Frac, return a - sycl::trunc(a))
// Scaled by a power of ten, p(0), or its inverse where the digits are negative, p(1).
XK_OP1(RoundDecimals,
       return p(1) != T(0) ? sycl::rint(a / p(0)) * p(0) : sycl::rint(a * p(0)) / p(0))
XK_OP1(IsPosInf, return a == xk::infinity<T>())
XK_OP1(IsNegInf, return a == -xk::infinity<T>())
template <class T>
inline T finite(T v, T nan, T high, T low) {
  return v != v ? nan : v == xk::infinity<T>() ? high : v == -xk::infinity<T>() ? low : v;
}
struct NanToNum {
  template <class T>
  static T run(const xk::Params<T>& p, T a) {
    if constexpr (xk::is_complex<T>) {
      return {finite(a.re, p(0).re, p(1).re, p(2).re), finite(a.im, p(0).re, p(1).re, p(2).re)};
    } else {
      return finite(a, p(0), p(1), p(2));
    }
  }
};
XK_OP1(FrexpMantissa, int e; return sycl::isfinite(a) ? sycl::frexp(a, &e) : a)
// As a number of the type; the output, int32, is cast.
struct FrexpExponent {
  template <class T>
  static T run(const xk::Params<T>& p, T a) {
    int e = 0;
    if (sycl::isfinite(a)) sycl::frexp(a, &e);
    return T(e);
  }
};
XK_OP2(CopySign, return sycl::copysign(a, b))
XK_OP2(Complex, return xk::complex<T>(a, b))
XK_OP2(Polar, return xk::complex<T>(a * sycl::cos(b), a * sycl::sin(b)))

EW_FLOATS(abs, Abs, 1) EW_INTS(abs, Abs, 1) EW_BOOL(abs, Abs, 1) EW_COMPLEX(abs, Abs, 1)
EW_TYPED(abs, Abs, 1, c32)
EW_FLOATS(angle, Angle, 1) EW_COMPLEX(angle, Angle, 1)
EW_FLOATS(neg, Neg, 1) EW_INTS(neg, Neg, 1) EW_COMPLEX(neg, Neg, 1) EW_TYPED(neg, Neg, 1, c32)
EW_COMPLEX(conj, Conj, 1) EW_COMPLEX(neg_conj, NegConj, 1)
EW_TYPED(conj, Conj, 1, c32) EW_TYPED(neg_conj, NegConj, 1, c32)
EW_FLOATS(sign, Sign, 1) EW_INTS(sign, Sign, 1) EW_BOOL(sign, Sign, 1) EW_COMPLEX(sign, Sign, 1)
EW_FLOATS(signbit, SignBit, 1) EW_INTS(signbit, SignBit, 1) EW_BOOL(signbit, SignBit, 1)
EW_FLOATS(floor, Floor, 1)
EW_FLOATS(ceil, Ceil, 1)
EW_FLOATS(round, Round, 1)
EW_FLOATS(trunc, Trunc, 1)
EW_FLOATS(frac, Frac, 1)
EW_FLOATS(round_decimals, RoundDecimals, 1)
EW_FLOATS(isposinf, IsPosInf, 1)
EW_FLOATS(isneginf, IsNegInf, 1)
EW_FLOATS(nan_to_num, NanToNum, 1) EW_COMPLEX(nan_to_num, NanToNum, 1)
EW_FLOATS(frexp_mantissa, FrexpMantissa, 1)
EW_FLOATS(frexp_exponent, FrexpExponent, 1)
EW_FLOATS(copysign, CopySign, 2)
EW_TYPED(complex, Complex, 2, f32) EW_TYPED(complex, Complex, 2, f64) EW_TYPED(complex, Complex, 2, f16)
EW_TYPED(polar, Polar, 2, f32) EW_TYPED(polar, Polar, 2, f64)
