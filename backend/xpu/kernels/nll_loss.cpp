// Negative log likelihood: loss[t] = -weight[target] * in[target]. Sums run in a
// fixed order: lanes, groups, then one work-item.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/fault.h"
#include "backend/xpu/kernels/nll_loss_args.h"

using namespace xk;
using namespace xpu_lite::xpu;

namespace {

template <class Args>
inline int64_t target_of(const Args& args, int64_t i) {
  return args.byte_target ? static_cast<int64_t>(static_cast<const uint8_t*>(args.target)[i])
                          : static_cast<const int64_t*>(args.target)[i];
}

// True when the target counts; one out of bounds is reported.
template <class Args>
inline bool counts(const Args& args, int64_t target) {
  if (target == args.ignore) return false;
  if (static_cast<uint64_t>(target) < static_cast<uint64_t>(args.classes)) return true;
  report(args.error, args.op, KernelFault::Range, target, args.classes, 0, "Target");
  return false;
}

template <class Args>
inline int64_t place_of(const Args& args, int64_t i, int64_t target) {
  if (args.positions == 1) return i * args.classes + target;
  const int64_t n = i / args.positions, p = i - n * args.positions;
  return (n * args.classes + target) * args.positions + p;
}

template <class T, class Args>
inline acc_t<T> weight_of(const Args& args, int64_t target) {
  return args.weight ? widen(static_cast<const T*>(args.weight)[target]) : acc_t<T>(1);
}

template <class T>
inline void each(const NllLossArgs& args) {
  const auto it = item();
  const int64_t step = static_cast<int64_t>(it.get_global_range(0));
  for (int64_t i = static_cast<int64_t>(it.get_global_id(0)); i < args.targets; i += step) {
    const int64_t target = target_of(args, i);
    acc_t<T> loss = 0;
    if (counts(args, target)) {
      loss = -weight_of<T>(args, target) *
             widen(static_cast<const T*>(args.in)[place_of(args, i, target)]);
    }
    static_cast<T*>(args.out)[i] = narrow<T>(loss);
    if (i == 0) *static_cast<T*>(args.total_weight) = narrow<T>(0);
  }
}

template <class T>
inline void part(const NllLossArgs& args) {
  using A = acc_t<T>;
  XK_LOCAL(A[2 * kNllLanes], sums);
  const auto it = item();
  const int64_t step = static_cast<int64_t>(it.get_global_range(0));
  A loss = 0, weights = 0;
  for (int64_t i = static_cast<int64_t>(it.get_global_id(0)); i < args.targets; i += step) {
    const int64_t target = target_of(args, i);
    if (!counts(args, target)) continue;
    const A weight = weight_of<T>(args, target);
    loss -= weight * widen(static_cast<const T*>(args.in)[place_of(args, i, target)]);
    weights += weight;
  }
  const int lane = static_cast<int>(it.get_local_id(0));
  const int lanes = static_cast<int>(it.get_local_range(0));
  sums[2 * lane] = loss;
  sums[2 * lane + 1] = weights;
  sycl::group_barrier(it.get_group());
  if (lane != 0) return;
  for (int i = 1; i < lanes; ++i) loss += sums[2 * i], weights += sums[2 * i + 1];
  A* partial = static_cast<A*>(args.partial) + 2 * it.get_group(0);
  partial[0] = loss;
  partial[1] = weights;
}

template <class T>
inline void finish(const NllLossArgs& args) {
  using A = acc_t<T>;
  if (item().get_global_id(0) != 0) return;
  const A* partial = static_cast<const A*>(args.partial);
  A loss = 0, weights = 0;
  for (int64_t i = 0; i < args.parts; ++i) loss += partial[2 * i], weights += partial[2 * i + 1];
  *static_cast<T*>(args.out) = narrow<T>(args.mean ? loss / weights : loss);
  *static_cast<T*>(args.total_weight) = narrow<T>(weights);
}

template <class T>
inline void backward(const NllLossBackwardArgs& args) {
  using A = acc_t<T>;
  const auto it = item();
  const int64_t step = static_cast<int64_t>(it.get_global_range(0));
  for (int64_t i = static_cast<int64_t>(it.get_global_id(0)); i < args.targets; i += step) {
    const int64_t target = target_of(args, i);
    if (!counts(args, target)) continue;
    A grad = widen(static_cast<const T*>(args.grad_out)[args.each ? i : 0]);
    if (args.mean) grad /= widen(*static_cast<const T*>(args.total_weight));
    static_cast<T*>(args.grad_in)[place_of(args, i, target)] =
        narrow<T>(-weight_of<T>(args, target) * grad);
  }
}

} // namespace

#define XK_NLL_LOSS(suffix, T)                                                     \
  XK(nll_loss_each_##suffix, NllLossArgs) { each<T>(args); }                       \
  XK(nll_loss_part_##suffix, NllLossArgs) { part<T>(args); }                       \
  XK(nll_loss_finish_##suffix, NllLossArgs) { finish<T>(args); }                   \
  XK(nll_loss_backward_##suffix, NllLossBackwardArgs) { backward<T>(args); }
XK_NLL_LOSS(f32, float)
XK_NLL_LOSS(f64, double)
XK_NLL_LOSS(f16, f16)
XK_NLL_LOSS(bf16, bf16)
