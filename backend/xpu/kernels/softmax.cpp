// Softmax and log-softmax. Rows: a sub-group per row, which stays in the cache
// between the passes over it. Columns: a lane per column.

#include "backend/xpu/kernels/lanes.h"
#include "backend/xpu/kernels/softmax_args.h"
#include "backend/xpu/kernels/vector_math.h"

namespace {

using xpu_lite::xpu::SoftmaxArgs;

// A NaN among the elements must reach the sum, not the maximum: exp() brings it there.
template <class A>
inline A larger(A a, A b) { return b > a ? b : a; }

// Of this lane's elements. Four at a time, which do not wait for each other.
template <class T>
inline xk::acc_t<T> greatest(const xk::Lanes& lanes, const T* in, int64_t n) {
  using A = xk::acc_t<T>;
  const int64_t w = lanes.width;
  A most[4];
  for (A& m : most) m = -std::numeric_limits<A>::infinity();
  int64_t i = 0;
  for (; i + 4 * w <= n; i += 4 * w) {
#pragma unroll
    for (int k = 0; k < 4; ++k) most[k] = larger(most[k], xk::widen(in[i + k * w + lanes.lane]));
  }
  const T* rest = in + i;
  lanes.each(n - i, [&](int64_t j) XK_INLINE { most[0] = larger(most[0], xk::widen(rest[j])); });
  return larger(larger(most[0], most[1]), larger(most[2], most[3]));
}

template <class T>
void rows(const SoftmaxArgs& a) {
  using A = xk::acc_t<T>;
  const xk::Lanes lanes;
  lanes.each_task(a.outer, [&](int64_t r) XK_INLINE {
    const T* in = static_cast<const T*>(a.in) + r * a.length;
    T* out = static_cast<T*>(a.out) + r * a.length;
    const A most = lanes.max(greatest(lanes, in, a.length));
    A sum = 0;
    if (a.log) {
      lanes.each(a.length, [&](int64_t i) XK_INLINE {
        sum += xk::exp_of_negative(xk::widen(in[i]) - most);
      });
      const A shift = sycl::log(lanes.sum(sum));
      lanes.each(a.length, [&](int64_t i) XK_INLINE {
        out[i] = xk::narrow<T>(xk::widen(in[i]) - most - shift);
      });
    } else if constexpr (sizeof(T) == sizeof(A)) {
      lanes.each(a.length, [&](int64_t i) XK_INLINE {
        sum += out[i] = xk::exp_of_negative(in[i] - most);
      });
      const A scale = A{1} / lanes.sum(sum);
      lanes.each(a.length, [&](int64_t i) XK_INLINE { out[i] *= scale; });
    } else {
      lanes.each(a.length, [&](int64_t i) XK_INLINE {
        sum += xk::exp_of_negative(xk::widen(in[i]) - most);
      });
      const A scale = A{1} / lanes.sum(sum);
      lanes.each(a.length, [&](int64_t i) XK_INLINE {
        out[i] = xk::narrow<T>(xk::exp_of_negative(xk::widen(in[i]) - most) * scale);
      });
    }
  });
}

// Blocks of `width` neighbouring columns: f(in-offset of the lane's column).
template <class F>
inline void columns(const SoftmaxArgs& a, F f) {
  const xk::Lanes lanes;
  const int64_t blocks = (a.inner + lanes.width - 1) / lanes.width;
  lanes.each_task(a.outer * blocks, [&](int64_t t) XK_INLINE {
    const int64_t o = t / blocks, first = (t - o * blocks) * lanes.width;
    if (first + lanes.lane < a.inner) f(o * a.length * a.inner + first + lanes.lane);
  });
}

template <class T>
void cols(const SoftmaxArgs& a) {
  using A = xk::acc_t<T>;
  columns(a, [&](int64_t offset) XK_INLINE {
    const T* in = static_cast<const T*>(a.in) + offset;
    T* out = static_cast<T*>(a.out) + offset;
    A most = -std::numeric_limits<A>::infinity(), sum = 0;
    for (int64_t i = 0; i < a.length; ++i) most = larger(most, xk::widen(in[i * a.inner]));
    for (int64_t i = 0; i < a.length; ++i)
      sum += xk::exp_of_negative(xk::widen(in[i * a.inner]) - most);
    const A scale = A{1} / sum, shift = sycl::log(sum);
    for (int64_t i = 0; i < a.length; ++i) {
      const A x = xk::widen(in[i * a.inner]) - most;
      out[i * a.inner] = xk::narrow<T>(a.log ? x - shift : xk::exp_of_negative(x) * scale);
    }
  });
}

} // namespace

#define XK_SOFTMAX(suffix, T)                                  \
  XK(softmax_rows_##suffix, SoftmaxArgs) { rows<T>(args); }    \
  XK(softmax_cols_##suffix, SoftmaxArgs) { cols<T>(args); }

XK_SOFTMAX(f32, float)
XK_SOFTMAX(f64, double)
XK_SOFTMAX(f16, xk::f16)
XK_SOFTMAX(bf16, xk::bf16)
