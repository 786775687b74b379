// Activations of networks.

#include "backend/xpu/kernels/complex_math.h"
#include "backend/xpu/kernels/elementwise.h"

// Input, value taken above the threshold.
XK_OP2(Threshold, return a <= p(0) ? p(1) : b)
// Negative side, positive side and input are scaled.
XK_OP1(Elu, return a < T(0) ? sycl::expm1(a * p(2)) * p(0) : a * p(1))
XK_OP1(Softplus, return a * p(0) > p(1) ? a : sycl::log1p(sycl::exp(a * p(0))) / p(0))
XK_OP1(LogSigmoid, return sycl::fmin(T(0), a) - sycl::log1p(sycl::exp(-sycl::fabs(a))))
XK_OP1(Gelu, return a * T(0.5) * (T(1) + xk::erf(a * T(0.70710678118654752))))
XK_OP1(GeluTanh,
       const T inner = T(0.79788456080286536) * (a + T(0.044715) * a * a * a);
       return T(0.5) * a * (T(1) + xk::tanh(inner)))
template <class T>
inline T held(T v) { // in [0, 6]; not a number stays
  return v < T(0) ? T(0) : v > T(6) ? T(6) : v;
}
XK_OP1(HardSigmoid, return held(a + T(3)) / T(6))
XK_OP1(HardSwish, return a * held(a + T(3)) / T(6))
// The bound is a number of the type.
XK_OP1(HardShrink, const T l = p.rounded(p(0)); return a >= -l && a <= l ? T(0) : a)
XK_OP1(SoftShrink, const T l = p.rounded(p(0));
       return a > l ? a - l : a < -l ? a + l : a * T(0))
XK_OP1(LeakyRelu, return a > T(0) ? a : a * p(0))
XK_OP1(Silu, return a * xk::sigmoid(a))
XK_OP1(Mish, return a * xk::tanh(sycl::log1p(sycl::exp(a))))
XK_OP2(Prelu, return a > T(0) ? a : b * a)
XK_OP2(Glu, return a * xk::sigmoid(b))

#define EW_REAL(op, Op, n) EW_FLOATS(op, Op, n) EW_INTS(op, Op, n)
EW_REAL(threshold, Threshold, 2)
EW_FLOATS(elu, Elu, 1)
EW_FLOATS(softplus, Softplus, 1)
EW_FLOATS(log_sigmoid, LogSigmoid, 1)
EW_FLOATS(gelu, Gelu, 1)
EW_FLOATS(gelu_tanh, GeluTanh, 1)
EW_FLOATS(hardsigmoid, HardSigmoid, 1)
EW_FLOATS(hardswish, HardSwish, 1)
EW_FLOATS(hardshrink, HardShrink, 1)
EW_FLOATS(softshrink, SoftShrink, 1)
EW_FLOATS(leaky_relu, LeakyRelu, 1)
EW_FLOATS(silu, Silu, 1) EW_COMPLEX(silu, Silu, 1)
EW_FLOATS(mish, Mish, 1)
EW_FLOATS(prelu, Prelu, 2)
EW_FLOATS(glu, Glu, 2)
