// Arithmetic of two operands.

#include "backend/xpu/kernels/elementwise.h"
#include "backend/xpu/kernels/number.h"

XK_OP2(Add, return T(a + p(0) * b))
XK_OP2(Mul, return T(a * b))
XK_OP2(Div, return T(a / b))
XK_OP2(DivFloor, return xk::div_floor(a, b))
// The quotient is rounded to the type before it is cut off.
struct DivTrunc {
  template <class T>
  static T run(const xk::Params<T>& p, T a, T b) {
    if constexpr (xk::is_float<T>) return sycl::trunc(p.rounded(a / b));
    else return xk::div_trunc(a, b);
  }
};
XK_OP2(Remainder, return xk::remainder(a, b))
XK_OP2(Fmod, return xk::fmod(a, b))

EW_FLOATS(add, Add, 2) EW_INTS(add, Add, 2) EW_BOOL(add, Add, 2) EW_COMPLEX(add, Add, 2)
EW_UNSIGNED(add, Add, 2) EW_TYPED(add, Add, 2, c32)
EW_FLOATS(mul, Mul, 2) EW_INTS(mul, Mul, 2) EW_BOOL(mul, Mul, 2) EW_COMPLEX(mul, Mul, 2)
EW_UNSIGNED(mul, Mul, 2) EW_TYPED(mul, Mul, 2, c32)
EW_FLOATS(div, Div, 2) EW_COMPLEX(div, Div, 2) EW_TYPED(div, Div, 2, c32)
EW_FLOATS(div_floor, DivFloor, 2) EW_INTS(div_floor, DivFloor, 2)
EW_FLOATS(div_trunc, DivTrunc, 2) EW_INTS(div_trunc, DivTrunc, 2)
EW_FLOATS(remainder, Remainder, 2) EW_INTS(remainder, Remainder, 2)
EW_FLOATS(fmod, Fmod, 2) EW_INTS(fmod, Fmod, 2)
