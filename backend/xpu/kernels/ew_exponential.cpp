// Exponentials, logarithms, and what is made of them.

#include "backend/xpu/kernels/complex_math.h"
#include "backend/xpu/kernels/elementwise.h"

XK_OP1(Exp, return xk::exp(a))
XK_OP1(Exp2, return xk::exp2(a))
XK_OP1(Expm1, return xk::expm1(a))
XK_OP1(Log, return xk::log(a))
XK_OP1(Log2, return xk::log2(a))
XK_OP1(Log10, return xk::log10(a))
XK_OP1(Log1p, return xk::log1p(a))
XK_OP1(Sigmoid, return xk::sigmoid(a))
// log(x / (1 - x)), with x held within eps of the ends if eps is not negative.
XK_OP1(Logit,
       const T low = p(0), high = T(1) - low;
       const T x = low < T(0) ? a : a < low ? low : a > high ? high : a;
       return x == T(1) ? xk::infinity<T>() : sycl::log(x / (T(1) - x)))
XK_OP2(LogAddExp,
       if (a == b && sycl::isinf(a)) return a;
       const T high = sycl::fmax(a, b);
       return xk::isnan(a) || xk::isnan(b) ? a + b : high + sycl::log1p(sycl::exp(-sycl::fabs(a - b))))
XK_OP2(LogAddExp2,
       if (a == b && sycl::isinf(a)) return a;
       const T high = sycl::fmax(a, b);
       return xk::isnan(a) || xk::isnan(b)
           ? a + b
           : high + sycl::log1p(sycl::exp2(-sycl::fabs(a - b))) * T(1.4426950408889634))
XK_OP2(Xlogy, return xk::isnan(b) ? b : a == T(0) ? T(0) : a * sycl::log(b))
XK_OP2(Xlog1py, return xk::isnan(b) ? b : a == T(0) ? T(0) : a * sycl::log1p(b))
XK_OP1(Entr,
       return xk::isnan(a) ? a : a > T(0) ? -a * sycl::log(a) : a == T(0) ? T(0) : -xk::infinity<T>())

#define EW_ALL(op, Op, n) EW_FLOATS(op, Op, n) EW_COMPLEX(op, Op, n)
EW_ALL(exp, Exp, 1)
EW_ALL(exp2, Exp2, 1)
EW_ALL(expm1, Expm1, 1)
EW_ALL(log, Log, 1)
EW_ALL(log2, Log2, 1)
EW_ALL(log10, Log10, 1)
EW_ALL(log1p, Log1p, 1)
EW_ALL(sigmoid, Sigmoid, 1)
EW_FLOATS(logit, Logit, 1)
EW_FLOATS(logaddexp, LogAddExp, 2)
EW_FLOATS(logaddexp2, LogAddExp2, 2)
EW_FLOATS(xlogy, Xlogy, 2)
EW_FLOATS(xlog1py, Xlog1py, 2)
EW_FLOATS(entr, Entr, 1)
