// Powers and roots.

#include "backend/xpu/kernels/complex_math.h"
#include "backend/xpu/kernels/elementwise.h"

XK_OP2(Pow, return xk::power(a, b))
struct PowScalar {
  template <class T>
  static T run(const xk::Params<T>& p, T a) {
    if constexpr (std::is_integral_v<T>) return T(xk::power<int64_t>(a, p.template as<int64_t>(0)));
    else return xk::power(a, p(0));
  }
};
XK_OP1(Square, return T(a * a))
XK_OP1(Cube, return T(a * a * a))
XK_OP1(Sqrt, return xk::sqrt(a))
XK_OP1(Rsqrt, return xk::rsqrt(a))
XK_OP1(Reciprocal, return T(1) / a)
XK_OP1(ReciprocalSquare, return T(1) / (a * a))

EW_FLOATS(pow, Pow, 2) EW_INTS(pow, Pow, 2) EW_COMPLEX(pow, Pow, 2)
EW_FLOATS(pow_scalar, PowScalar, 1) EW_INTS(pow_scalar, PowScalar, 1)
EW_COMPLEX(pow_scalar, PowScalar, 1)
EW_FLOATS(square, Square, 1) EW_INTS(square, Square, 1) EW_COMPLEX(square, Square, 1)
EW_FLOATS(cube, Cube, 1) EW_INTS(cube, Cube, 1) EW_COMPLEX(cube, Cube, 1)
EW_FLOATS(sqrt, Sqrt, 1) EW_COMPLEX(sqrt, Sqrt, 1)
EW_FLOATS(rsqrt, Rsqrt, 1) EW_COMPLEX(rsqrt, Rsqrt, 1)
EW_FLOATS(reciprocal, Reciprocal, 1) EW_COMPLEX(reciprocal, Reciprocal, 1)
EW_FLOATS(reciprocal_square, ReciprocalSquare, 1)
EW_COMPLEX(reciprocal_square, ReciprocalSquare, 1)
