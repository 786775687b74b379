#pragma once

// Sub-groups that work on rows of memory, and the tasks they are dealt.

#include "backend/xpu/kernels/acc.h"

// For functions and lambdas of kernels that hold what is the same in all lanes: in memory,
// as it is around a call, the compiler loses sight of that and makes gathers.
#define XK_INLINE __attribute__((always_inline))

namespace xk {

// The tasks of one sub-group: a stretch of neighbours, so that it reads memory in
// order. The broadcast tells the compiler that the number is the same in all lanes:
// addresses built on it become plain vector loads, not gathers (ten times faster on
// CPU devices).
struct Lanes {
  sycl::sub_group sg = item().get_sub_group();
  int64_t width = sg.get_max_local_range()[0];
  int64_t lane = sg.get_local_id()[0];

  // body(task) for those of `tasks` tasks that are this sub-group's.
  template <class F>
  XK_INLINE void each_task(int64_t tasks, F body) const {
    const int64_t per_group = item().get_local_range(0) / width;
    const int64_t mine = item().get_group(0) * per_group + sg.get_group_id()[0];
    const int64_t all = item().get_group_range(0) * per_group;
    const int64_t many = (tasks + all - 1) / all;
    const int64_t first = sycl::group_broadcast(sg, mine * many);
    const int64_t last = same(sycl::min(first + many, tasks));
    for (int64_t t = first; t < last; ++t) body(same(t));
  }
  // A number that is the same in all lanes, though the compiler cannot see it.
  template <class T>
  T same(T x) const { return sycl::group_broadcast(sg, x); }
  int64_t index() const {
    return item().get_group(0) * (item().get_local_range(0) / width) + sg.get_group_id()[0];
  }

  // f(i) for i in [0, n): whole vectors, then what is left of one.
  template <class F>
  XK_INLINE void each(int64_t n, F f) const {
    int64_t i = 0;
    for (; i + width <= n; i += width) f(i + lane);
    if (i == n) return; // a branch of all lanes: masked memory accesses are slow even for none
    if (i + lane < n) f(i + lane);
  }
  template <class A>
  A sum(A x) const { return sycl::reduce_over_group(sg, x, sycl::plus<A>()); }
  template <class A>
  A max(A x) const { return sycl::reduce_over_group(sg, x, sycl::maximum<A>()); }
};

} // namespace xk
