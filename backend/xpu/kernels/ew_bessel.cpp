// Bessel and Airy functions.

#include "backend/xpu/kernels/elementwise.h"
#include "backend/xpu/kernels/special_bessel.h"

XK_OP1(J0, return xk::bessel_j0(a))
XK_OP1(J1, return xk::bessel_j1(a))
XK_OP1(Y0, return xk::bessel_y0(a))
XK_OP1(Y1, return xk::bessel_y1(a))
XK_OP1(K0, return xk::bessel_k0(a, false))
XK_OP1(K1, return xk::bessel_k1(a, false))
XK_OP1(ScaledK0, return xk::bessel_k0(a, true))
XK_OP1(ScaledK1, return xk::bessel_k1(a, true))
XK_OP1(SphericalJ0, return xk::spherical_j0(a))
XK_OP1(Airy, return xk::airy(a))

#define EW_WIDE(op, Op, n) EW_TYPED(op, Op, n, f32) EW_TYPED(op, Op, n, f64)
EW_WIDE(bessel_j0, J0, 1)
EW_WIDE(bessel_j1, J1, 1)
EW_WIDE(bessel_y0, Y0, 1)
EW_WIDE(bessel_y1, Y1, 1)
EW_WIDE(modified_bessel_k0, K0, 1)
EW_WIDE(modified_bessel_k1, K1, 1)
EW_WIDE(scaled_modified_bessel_k0, ScaledK0, 1)
EW_WIDE(scaled_modified_bessel_k1, ScaledK1, 1)
EW_WIDE(spherical_bessel_j0, SphericalJ0, 1)
EW_WIDE(airy_ai, Airy, 1)
