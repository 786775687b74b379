// Norms and maxima of a list of tensors: one partial result for each chunk, then one
// work-item for each tensor. The order is fixed: the same bits in every run.

#include "backend/xpu/kernels/multi_tensor.h"

using namespace xk;
using namespace xpu_lite::xpu;

namespace {

struct SumAbs {
  template <class A> static A init() { return A(0); }
  template <class A> static A element(A x) { return sycl::fabs(x); }
  template <class A> static A combine(A x, A y) { return x + y; }
  template <class A> static A finish(A x) { return x; }
};
struct SumSquares {
  template <class A> static A init() { return A(0); }
  template <class A> static A element(A x) { return x * x; }
  template <class A> static A combine(A x, A y) { return x + y; }
  template <class A> static A finish(A x) { return sycl::sqrt(x); }
};
struct Max {
  template <class A> static A init() { return -A(__builtin_inff()); }
  template <class A> static A element(A x) { return x; }
  template <class A> static A combine(A x, A y) { return x > y || x != x ? x : y; }
  template <class A> static A finish(A x) { return x; }
};
struct AbsMax : Max {
  template <class A> static A init() { return A(0); }
  template <class A> static A element(A x) { return sycl::fabs(x); }
};

template <class T, class Op>
inline void part(const ForeachReduceArgs<acc_t<T>>& args) {
  using A = acc_t<T>;
  XK_LOCAL(A[kReduceLanes], lanes_of);
  for_chunk(args.tensors, args.chunks,
            [&](const ForeachTensor<A>& t, int64_t first, int lane, int lanes, int n) {
              const T* a = static_cast<const T*>(t.a) + first;
              A acc = Op::template init<A>();
              for (int i = lane; i < n; i += lanes) {
                acc = Op::combine(acc, Op::element(widen(a[i])));
              }
              lanes_of[lane] = acc;
              sycl::group_barrier(item().get_group());
              if (lane != 0) return;
              for (int i = 1; i < lanes; ++i) acc = Op::combine(acc, lanes_of[i]);
              args.partial[item().get_group(0)] = acc;
            });
}

template <class T, class Op>
inline void finish(const ForeachReduceArgs<acc_t<T>>& args) {
  using A = acc_t<T>;
  const int64_t tensor = static_cast<int64_t>(item().get_group(0));
  if (item().get_local_id(0) != 0) return;
  A acc = Op::template init<A>();
  for (uint32_t c = args.first_chunk[tensor]; c < args.first_chunk[tensor + 1]; ++c) {
    acc = Op::combine(acc, args.partial[c]);
  }
  *static_cast<T*>(args.tensors[tensor].out) = narrow<T>(Op::finish(acc));
}

} // namespace

#define XK_FOREACH_REDUCE_AS(name, Op, suffix, T)                                          \
  XK(foreach_##name##_##suffix, ForeachReduceArgs<acc_t<T>>) { part<T, Op>(args); }        \
  XK(foreach_##name##_finish_##suffix, ForeachReduceArgs<acc_t<T>>) { finish<T, Op>(args); }
#define XK_FOREACH_REDUCE(name, Op)               \
  XK_FOREACH_REDUCE_AS(name, Op, f32, float)      \
  XK_FOREACH_REDUCE_AS(name, Op, f64, double)     \
  XK_FOREACH_REDUCE_AS(name, Op, f16, f16)        \
  XK_FOREACH_REDUCE_AS(name, Op, bf16, bf16)
XK_FOREACH_REDUCE(sum_abs, SumAbs)
XK_FOREACH_REDUCE(sum_squares, SumSquares)
XK_FOREACH_REDUCE(max, Max)
XK_FOREACH_REDUCE(abs_max, AbsMax)
