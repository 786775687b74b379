// Derivatives of activations: gradient first, then input, unless said otherwise.

#include "backend/xpu/kernels/complex_math.h"
#include "backend/xpu/kernels/elementwise.h"

// p: negative, positive, input scale; the second operand is the result, or the input.
XK_OP2(EluBackwardResult, return b <= T(0) ? a * p(2) * (b + p(0)) : a * p(1))
XK_OP2(EluBackward, return b <= T(0) ? a * p(2) * p(0) * sycl::exp(b * p(2)) : a * p(1))
XK_OP2(SoftplusBackward, const T z = sycl::exp(b * p(0));
       return b * p(0) > p(1) ? a : a * z / (z + T(1)))
// Input, gradient.
XK_OP2(LogSigmoidBackward, const T z = sycl::exp(-sycl::fabs(a)), part = z / (T(1) + z);
       return b * (a < T(0) ? T(1) - part : part))
XK_OP2(GeluBackward,
       const T cdf = T(0.5) * (T(1) + xk::erf(b * T(0.70710678118654752)));
       const T pdf = T(0.39894228040143268) * xk::exp(T(-0.5) * b * b);
       return a * (cdf + b * pdf))
XK_OP2(GeluTanhBackward,
       const T beta = T(0.79788456080286536), kappa = T(0.044715);
       const T t = xk::tanh(beta * (b + kappa * b * b * b));
       const T left = T(0.5) * (T(1) + t);
       const T slope = beta * (T(1) + T(3) * kappa * b * b);
       return a * (left + T(0.5) * b * (T(1) - t * t) * slope))
XK_OP2(HardTanhBackward, return b <= p(0) || b >= p(1) ? T(0) : a)
// With a float's sixth in all types, as on the CPU.
XK_OP2(HardSigmoidBackward, return b > T(-3) && b < T(3) ? a * T(1.0f / 6.0f) : T(0))
XK_OP2(HardSwishBackward,
       return b <= T(-3) ? T(0) : b < T(3) ? a * (b / T(3) + T(0.5)) : a)
XK_OP2(ShrinkBackward, const T l = p.rounded(p(0)); return b >= -l && b <= l ? T(0) : a)
// Input, gradient.
XK_OP2(LeakyReluBackward, return a > T(0) ? b : b * p(0))
struct SiluBackward {
  template <class T>
  static T run(const xk::Params<T>& p, T a, T b) {
    const T s = xk::sigmoid(b), d = s * (T(1) + b * (T(1) - s));
    if constexpr (xk::is_complex<T>) return a * xk::conj(d);
    else return a * d;
  }
};
XK_OP2(MishBackward, const T t = xk::tanh(sycl::log1p(sycl::exp(b)));
       return a * (t + b * xk::sigmoid(b) * (T(1) - t * t)))
// Input, weight, gradient.
XK_OP3(PreluBackwardInput, return a > T(0) ? c : b * c)
XK_OP3(PreluBackwardWeight, return a > T(0) ? T(0) : a * c)
// First half, second half, gradient.
XK_OP3(GluBackwardFirst, return c * xk::sigmoid(b))
XK_OP3(GluBackwardSecond, const T s = xk::sigmoid(b); return c * a * s * (T(1) - s))
// Result, second half, their tangents.
XK_OP4(GluJvp, const T s = xk::sigmoid(b); return c * s + a * (d - s * d))

EW_FLOATS(elu_backward_result, EluBackwardResult, 2)
EW_FLOATS(elu_backward, EluBackward, 2)
EW_FLOATS(softplus_backward, SoftplusBackward, 2)
EW_FLOATS(log_sigmoid_backward, LogSigmoidBackward, 2)
EW_FLOATS(gelu_backward, GeluBackward, 2)
EW_FLOATS(gelu_tanh_backward, GeluTanhBackward, 2)
EW_FLOATS(hardtanh_backward, HardTanhBackward, 2)
EW_FLOATS(hardsigmoid_backward, HardSigmoidBackward, 2)
EW_FLOATS(hardswish_backward, HardSwishBackward, 2)
EW_FLOATS(shrink_backward, ShrinkBackward, 2)
EW_FLOATS(leaky_relu_backward, LeakyReluBackward, 2)
EW_FLOATS(silu_backward, SiluBackward, 2) EW_COMPLEX(silu_backward, SiluBackward, 2)
EW_FLOATS(mish_backward, MishBackward, 2)
EW_FLOATS(prelu_backward_input, PreluBackwardInput, 3)
EW_FLOATS(prelu_backward_weight, PreluBackwardWeight, 3)
EW_FLOATS(glu_backward_first, GluBackwardFirst, 3)
EW_FLOATS(glu_backward_second, GluBackwardSecond, 3)
EW_FLOATS(glu_jvp, GluJvp, 4)
