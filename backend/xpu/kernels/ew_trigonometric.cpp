// Circular and hyperbolic functions.

#include "backend/xpu/kernels/complex_math.h"
#include "backend/xpu/kernels/elementwise.h"

XK_OP1(Sin, return xk::sin(a))
XK_OP1(Cos, return xk::cos(a))
XK_OP1(Tan, return xk::tan(a))
XK_OP1(Sinh, return xk::sinh(a))
XK_OP1(Cosh, return xk::cosh(a))
XK_OP1(Tanh, return xk::tanh(a))
XK_OP1(Asin, return xk::asin(a))
XK_OP1(Acos, return xk::acos(a))
XK_OP1(Atan, return xk::atan(a))
XK_OP1(Asinh, return xk::asinh(a))
XK_OP1(Acosh, return xk::acosh(a))
XK_OP1(Atanh, return xk::atanh(a))
XK_OP1(Sinc, const T x = a * xk::real_t<T>(3.14159265358979324);
       return xk::nonzero(a) ? xk::sin(x) / x : T(1))

#define EW_ALL(op, Op, n) EW_FLOATS(op, Op, n) EW_COMPLEX(op, Op, n)
EW_ALL(sin, Sin, 1)
EW_ALL(cos, Cos, 1)
EW_ALL(tan, Tan, 1)
EW_ALL(sinh, Sinh, 1)
EW_ALL(cosh, Cosh, 1)
EW_ALL(tanh, Tanh, 1)
EW_ALL(asin, Asin, 1)
EW_ALL(acos, Acos, 1)
EW_ALL(atan, Atan, 1)
EW_ALL(asinh, Asinh, 1)
EW_ALL(acosh, Acosh, 1)
EW_ALL(atanh, Atanh, 1)
EW_ALL(sinc, Sinc, 1)
