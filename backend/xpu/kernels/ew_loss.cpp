// Pointwise losses, and derivatives of functions from their results.

#include "backend/xpu/kernels/complex_math.h"
#include "backend/xpu/kernels/elementwise.h"

XK_OP2(Mse, const T d = a - b; return d * d)
XK_OP2(SmoothL1, const T z = sycl::fabs(a - b);
       return z < p(0) ? T(0.5) * z * z / p(0) : z - T(0.5) * p(0))
XK_OP2(Huber, const T z = sycl::fabs(a - b);
       return z <= p(0) ? T(0.5) * z * z : p(0) * (z - T(0.5) * p(0)))
// Input, target, gradient; p(0) scales.
XK_OP3(MseBackward, return p(0) * (a - b) * c)
XK_OP3(SmoothL1Backward, const T x = a - b;
       return x <= -p(1) ? -p(0) * c : x >= p(1) ? p(0) * c : p(0) * x * c / p(1))
XK_OP3(HuberBackward, const T x = a - b;
       return x <= -p(1) ? -p(0) * c * p(1) : x >= p(1) ? p(0) * c * p(1) : p(0) * x * c)

template <class T>
inline T conjugated(T v) {
  if constexpr (xk::is_complex<T>) return xk::conj(v);
  else return v;
}
// Gradient, result.
XK_OP2(SigmoidBackward, return a * conjugated((T(1) - b) * b))
XK_OP2(TanhBackward, return a * conjugated(T(1) - b * b))
// Gradient, input.
XK_OP2(LogitBackward, const T low = p(0), high = T(1) - low;
       if (low < T(0)) return b < T(0) || b > T(1) ? xk::quiet_nan<T>() : a / (b * (T(1) - b));
       return b < low || b > high ? T(0) : a / (b * (T(1) - b)))

EW_FLOATS(mse, Mse, 2)
EW_FLOATS(smooth_l1, SmoothL1, 2)
EW_FLOATS(huber, Huber, 2)
EW_FLOATS(mse_backward, MseBackward, 3)
EW_FLOATS(smooth_l1_backward, SmoothL1Backward, 3)
EW_FLOATS(huber_backward, HuberBackward, 3)
EW_FLOATS(sigmoid_backward, SigmoidBackward, 2) EW_COMPLEX(sigmoid_backward, SigmoidBackward, 2)
EW_FLOATS(tanh_backward, TanhBackward, 2) EW_COMPLEX(tanh_backward, TanhBackward, 2)
EW_FLOATS(logit_backward, LogitBackward, 2)
