// Special functions of one and two numbers.

#include "backend/xpu/kernels/complex_math.h"
#include "backend/xpu/kernels/elementwise.h"
#include "backend/xpu/kernels/special_bessel.h"
#include "backend/xpu/kernels/special_error.h"

XK_OP1(Erf, return xk::erf(a))
XK_OP1(Erfc, return sycl::erfc(a))
XK_OP1(Erfinv, return xk::erfinv(a))
XK_OP1(Erfcx, return xk::erfcx(a))
XK_OP1(LogNdtr, return xk::log_ndtr(a))
XK_OP1(Ndtri, return xk::ndtri(a))
XK_OP1(Lgamma, return sycl::isinf(a) ? xk::infinity<T>() : sycl::lgamma(a))
XK_OP1(Digamma, return xk::digamma(a))
XK_OP1(Trigamma, return xk::trigamma(a))
XK_OP1(Polygamma, return xk::polygamma(int(p(0)), a))
XK_OP2(Zeta, return xk::zeta(a, b))
XK_OP2(Igamma, return xk::incomplete_gamma(a, b, false))
XK_OP2(Igammac, return xk::incomplete_gamma(a, b, true))
XK_OP1(I0, return xk::bessel_i0(a))
XK_OP1(I0e, return xk::bessel_i0e(a))
XK_OP1(I1, return xk::bessel_i1(a))
XK_OP1(I1e, return xk::bessel_i1e(a))
// Of a window: 1 / its half width, beta, 1 / I0(beta).
XK_OP1(Kaiser, const T x = a * p(0) - T(1);
       return xk::bessel_i0(p(1) * sycl::sqrt(sycl::fmax(T(0), T(1) - x * x))) * p(2))

EW_FLOATS(erf, Erf, 1)
EW_FLOATS(erfc, Erfc, 1)
EW_FLOATS(erfinv, Erfinv, 1)
EW_FLOATS(lgamma, Lgamma, 1)
EW_FLOATS(digamma, Digamma, 1)
EW_FLOATS(trigamma, Trigamma, 1)
EW_FLOATS(polygamma, Polygamma, 1)
EW_FLOATS(igamma, Igamma, 2)
EW_FLOATS(igammac, Igammac, 2)
EW_FLOATS(i0, I0, 1)
EW_FLOATS(kaiser, Kaiser, 1)
#define EW_WIDE(op, Op, n) EW_TYPED(op, Op, n, f32) EW_TYPED(op, Op, n, f64)
EW_WIDE(erfcx, Erfcx, 1)
EW_WIDE(log_ndtr, LogNdtr, 1)
EW_WIDE(ndtri, Ndtri, 1)
EW_WIDE(zeta, Zeta, 2)
EW_FLOATS(i0e, I0e, 1)
EW_FLOATS(i1, I1, 1)
EW_FLOATS(i1e, I1e, 1)
