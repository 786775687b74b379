// Comparisons, and what picks one of its operands.

#include "backend/xpu/kernels/elementwise.h"
#include "backend/xpu/kernels/number.h"

XK_OP2(Eq, return a == b)
XK_OP2(Ne, return a != b)
XK_OP2(Lt, return a < b)
XK_OP2(Le, return a <= b)
// Not a number wins in maximum and minimum, and loses in fmax and fmin.
XK_OP2(Maximum, return xk::isnan(a) ? a : xk::isnan(b) ? b : a < b ? b : a)
XK_OP2(Minimum, return xk::isnan(a) ? a : xk::isnan(b) ? b : b < a ? b : a)
XK_OP2(Fmax, return xk::isnan(a) ? b : xk::isnan(b) ? a : a < b ? b : a)
XK_OP2(Fmin, return xk::isnan(a) ? b : xk::isnan(b) ? a : b < a ? b : a)
// a, lower bound, upper bound.
XK_OP3(Clamp, return xk::isnan(a) ? a : xk::isnan(b) ? b : xk::isnan(c) ? c
                     : c < (a < b ? b : a) ? c : a < b ? b : a)

#define EW_REAL(op, Op, n) EW_FLOATS(op, Op, n) EW_INTS(op, Op, n) EW_BOOL(op, Op, n)

EW_REAL(eq, Eq, 2) EW_COMPLEX(eq, Eq, 2) EW_UNSIGNED(eq, Eq, 2)
EW_REAL(ne, Ne, 2) EW_COMPLEX(ne, Ne, 2) EW_UNSIGNED(ne, Ne, 2)
EW_REAL(lt, Lt, 2) EW_UNSIGNED(lt, Lt, 2)
EW_REAL(le, Le, 2) EW_UNSIGNED(le, Le, 2)
EW_REAL(maximum, Maximum, 2)
EW_REAL(minimum, Minimum, 2)
EW_FLOATS(fmax, Fmax, 2)
EW_FLOATS(fmin, Fmin, 2)
EW_REAL(clamp, Clamp, 3)

// Bounds that are scalars.
XK_OP1(MaximumScalar, return xk::isnan(a) ? a : xk::isnan(p(0)) ? p(0) : a < p(0) ? p(0) : a)
XK_OP1(MinimumScalar, return xk::isnan(a) ? a : xk::isnan(p(0)) ? p(0) : p(0) < a ? p(0) : a)
XK_OP1(ClampScalar,
       if (xk::isnan(a)) return a;
       const T raised = a < p(0) ? p(0) : a;
       return p(1) < raised ? p(1) : raised)
EW_REAL(maximum_scalar, MaximumScalar, 1)
EW_REAL(minimum_scalar, MinimumScalar, 1)
EW_REAL(clamp_scalar, ClampScalar, 1)
