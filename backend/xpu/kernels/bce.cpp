// Binary cross entropy of probabilities, for each element, and its gradient.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/bce_args.h"
#include "backend/xpu/kernels/fault.h"

using namespace xk;
using namespace xpu_lite::xpu;

namespace {

template <class T>
inline void forward(const BceArgs& args) {
  using A = acc_t<T>;
  const auto it = item();
  const int64_t step = static_cast<int64_t>(it.get_global_range(0));
  for (int64_t i = static_cast<int64_t>(it.get_global_id(0)); i < args.n; i += step) {
    const A x = widen(static_cast<const T*>(args.in)[i]);
    const A t = widen(static_cast<const T*>(args.target)[i]);
    if (!(x >= A(0) && x <= A(1))) {
      report(args.error, args.op, KernelFault::Value, i, args.n, 0, args.what);
    }
    // The logarithms are bounded, so that a certain and wrong answer has a loss.
    const A no = sycl::fmax(sycl::log1p(-x), A(-100)), yes = sycl::fmax(sycl::log(x), A(-100));
    A loss = (t - A(1)) * no - t * yes;
    if (args.weight) loss *= widen(static_cast<const T*>(args.weight)[i]);
    static_cast<T*>(args.out)[i] = narrow<T>(loss);
  }
}

template <class T>
inline void backward(const BceArgs& args) {
  using A = acc_t<T>;
  const auto it = item();
  const int64_t step = static_cast<int64_t>(it.get_global_range(0));
  for (int64_t i = static_cast<int64_t>(it.get_global_id(0)); i < args.n; i += step) {
    const A x = widen(static_cast<const T*>(args.in)[i]);
    const A t = widen(static_cast<const T*>(args.target)[i]);
    const A g = widen(static_cast<const T*>(args.grad_out)[i * args.grad_step]);
    A grad = g * (x - t) / sycl::fmax((A(1) - x) * x, A(1e-12));
    if (args.weight) grad *= widen(static_cast<const T*>(args.weight)[i]);
    static_cast<T*>(args.out)[i] = narrow<T>(grad / static_cast<A>(args.divisor));
  }
}

} // namespace

#define XK_BCE(suffix, T)                                   \
  XK(bce_##suffix, BceArgs) { forward<T>(args); }           \
  XK(bce_backward_##suffix, BceArgs) { backward<T>(args); }
XK_BCE(f32, float)
XK_BCE(f64, double)
XK_BCE(f16, f16)
XK_BCE(bf16, bf16)
