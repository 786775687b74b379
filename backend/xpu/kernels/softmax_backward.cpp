// Backward of softmax, (grad - sum(grad * out)) * out, and of log-softmax,
// grad - exp(out) * sum(grad).

#include "backend/xpu/kernels/lanes.h"
#include "backend/xpu/kernels/softmax_args.h"

namespace {

using xpu_lite::xpu::SoftmaxArgs;

template <class A>
inline A gradient(int log, A grad, A out, A sum) {
  return log ? grad - sycl::exp(out) * sum : (grad - sum) * out;
}

template <class T>
void rows(const SoftmaxArgs& a) {
  using A = xk::acc_t<T>;
  const xk::Lanes lanes;
  lanes.each_task(a.outer, [&](int64_t r) XK_INLINE {
    const T* y = static_cast<const T*>(a.in) + r * a.length;
    const T* grad = static_cast<const T*>(a.grad) + r * a.length;
    T* out = static_cast<T*>(a.out) + r * a.length;
    A sum = 0;
    if (a.log) lanes.each(a.length, [&](int64_t i) XK_INLINE { sum += xk::widen(grad[i]); });
    else lanes.each(a.length, [&](int64_t i) XK_INLINE {
      sum += xk::widen(grad[i]) * xk::widen(y[i]);
    });
    sum = lanes.sum(sum);
    lanes.each(a.length, [&](int64_t i) XK_INLINE {
      out[i] = xk::narrow<T>(gradient(a.log, xk::widen(grad[i]), xk::widen(y[i]), sum));
    });
  });
}

template <class T>
void cols(const SoftmaxArgs& a) {
  using A = xk::acc_t<T>;
  const xk::Lanes lanes;
  const int64_t blocks = (a.inner + lanes.width - 1) / lanes.width;
  lanes.each_task(a.outer * blocks, [&](int64_t t) XK_INLINE {
    const int64_t o = t / blocks, first = (t - o * blocks) * lanes.width;
    if (first + lanes.lane >= a.inner) return;
    const int64_t offset = o * a.length * a.inner + first + lanes.lane;
    const T* y = static_cast<const T*>(a.in) + offset;
    const T* grad = static_cast<const T*>(a.grad) + offset;
    T* out = static_cast<T*>(a.out) + offset;
    A sum = 0;
    for (int64_t i = 0; i < a.length * a.inner; i += a.inner) {
      sum += a.log ? xk::widen(grad[i]) : xk::widen(grad[i]) * xk::widen(y[i]);
    }
    for (int64_t i = 0; i < a.length * a.inner; i += a.inner) {
      out[i] = xk::narrow<T>(gradient(a.log, xk::widen(grad[i]), xk::widen(y[i]), sum));
    }
  });
}

} // namespace

#define XK_SOFTMAX(suffix, T)                                           \
  XK(softmax_backward_rows_##suffix, SoftmaxArgs) { rows<T>(args); }    \
  XK(softmax_backward_cols_##suffix, SoftmaxArgs) { cols<T>(args); }

XK_SOFTMAX(f32, float)
XK_SOFTMAX(f64, double)
XK_SOFTMAX(f16, xk::f16)
XK_SOFTMAX(bf16, xk::bf16)
