// dot and vdot: parts of the vectors by a sub-group each, then their sum by one.

#include "backend/xpu/kernels/dot_args.h"
#include "backend/xpu/kernels/lanes.h"

namespace {

using xpu_lite::xpu::DotArgs;

constexpr int64_t kBlock = 128; // vectors; see Note [Blocked accumulation]

template <class A>
inline A conjugate(A x, bool yes) {
  if constexpr (std::is_arithmetic_v<A>) return x;
  else return {x.re, yes ? -x.im : x.im};
}

template <class A>
inline A sum_lanes(const xk::Lanes& lanes, A x) {
  if constexpr (std::is_arithmetic_v<A>) return lanes.sum(x);
  else return {lanes.sum(x.re), lanes.sum(x.im)};
}

template <class T, bool kDense>
inline xk::acc_t<T> part(const DotArgs& args, const xk::Lanes& lanes, int64_t begin, int64_t end) {
  using A = xk::acc_t<T>;
  const int64_t sa = kDense ? 1 : args.a_stride, sb = kDense ? 1 : args.b_stride;
  const T* a = static_cast<const T*>(args.a) + begin * sa;
  const T* b = static_cast<const T*>(args.b) + begin * sb;
  A sum{};
  for (int64_t block = 0; block < end - begin; block += kBlock * lanes.width) {
    A some{};
    const int64_t n = sycl::min(kBlock * lanes.width, end - begin - block);
    lanes.each(n, [&](int64_t i) {
      const A x = conjugate(xk::widen(a[(block + i) * sa]), args.conjugate);
      some = some + x * xk::widen(b[(block + i) * sb]);
    });
    sum = sum + some;
  }
  return sum_lanes(lanes, sum);
}

template <class T>
void dot(const DotArgs& args) {
  using A = xk::acc_t<T>;
  const xk::Lanes lanes;
  A* partial = static_cast<A*>(args.partial);
  if (args.finish) {
    if (lanes.index() > 0) return;
    A sum{};
    lanes.each(args.splits, [&](int64_t i) { sum = sum + partial[i]; });
    sum = sum_lanes(lanes, sum);
    if (lanes.lane == 0) *static_cast<T*>(args.out) = xk::narrow<T>(sum);
    return;
  }
  lanes.each_task(args.splits, [&](int64_t s) {
    const int64_t begin = s * args.chunk, end = sycl::min(begin + args.chunk, args.n);
    const A sum = args.a_stride == 1 && args.b_stride == 1
                      ? part<T, true>(args, lanes, begin, end)
                      : part<T, false>(args, lanes, begin, end);
    if (lanes.lane == 0) partial[s] = sum;
  });
}

} // namespace

#define XK_DOT(suffix, T) XK(dot_##suffix, DotArgs) { dot<T>(args); }

XK_DOT(f32, float)
XK_DOT(f64, double)
XK_DOT(f16, xk::f16)
XK_DOT(bf16, xk::bf16)
XK_DOT(i64, int64_t)
XK_DOT(i32, int32_t)
XK_DOT(i16, int16_t)
XK_DOT(i8, int8_t)
XK_DOT(u8, uint8_t)
XK_DOT(c64, xk::c64)
XK_DOT(c128, xk::c128)
