// Softmax and log-softmax. Rows: a sub-group per row, which stays in the cache
// between the passes over it. Columns: a lane per column.

#include "backend/xpu/kernels/lanes.h"
#include "backend/xpu/kernels/softmax_args.h"

namespace {

using xpu_lite::xpu::SoftmaxArgs;

// A NaN among the elements must reach the sum, not the maximum: exp() brings it there.
template <class A>
inline A larger(A a, A b) { return b > a ? b : a; }

template <class T>
void rows(const SoftmaxArgs& a) {
  using A = xk::acc_t<T>;
  const xk::Lanes lanes;
  lanes.each_task(a.outer, [&](int64_t r) {
    const T* in = static_cast<const T*>(a.in) + r * a.length;
    T* out = static_cast<T*>(a.out) + r * a.length;
    A most = -std::numeric_limits<A>::infinity();
    lanes.each(a.length, [&](int64_t i) { most = larger(most, xk::widen(in[i])); });
    most = lanes.max(most);
    A sum = 0;
    if (a.log) {
      lanes.each(a.length, [&](int64_t i) { sum += sycl::exp(xk::widen(in[i]) - most); });
      const A shift = sycl::log(lanes.sum(sum));
      lanes.each(a.length, [&](int64_t i) {
        out[i] = xk::narrow<T>(xk::widen(in[i]) - most - shift);
      });
    } else if constexpr (sizeof(T) == sizeof(A)) {
      lanes.each(a.length, [&](int64_t i) { sum += out[i] = sycl::exp(in[i] - most); });
      const A scale = A{1} / lanes.sum(sum);
      lanes.each(a.length, [&](int64_t i) { out[i] *= scale; });
    } else {
      lanes.each(a.length, [&](int64_t i) { sum += sycl::exp(xk::widen(in[i]) - most); });
      const A scale = A{1} / lanes.sum(sum);
      lanes.each(a.length, [&](int64_t i) {
        out[i] = xk::narrow<T>(sycl::exp(xk::widen(in[i]) - most) * scale);
      });
    }
  });
}

// Blocks of `width` neighbouring columns: f(in-offset of the lane's column).
template <class F>
inline void columns(const SoftmaxArgs& a, F f) {
  const xk::Lanes lanes;
  const int64_t blocks = (a.inner + lanes.width - 1) / lanes.width;
  lanes.each_task(a.outer * blocks, [&](int64_t t) {
    const int64_t o = t / blocks, first = (t - o * blocks) * lanes.width;
    if (first + lanes.lane < a.inner) f(o * a.length * a.inner + first + lanes.lane);
  });
}

template <class T>
void cols(const SoftmaxArgs& a) {
  using A = xk::acc_t<T>;
  columns(a, [&](int64_t offset) {
    const T* in = static_cast<const T*>(a.in) + offset;
    T* out = static_cast<T*>(a.out) + offset;
    A most = -std::numeric_limits<A>::infinity(), sum = 0;
    for (int64_t i = 0; i < a.length; ++i) most = larger(most, xk::widen(in[i * a.inner]));
    for (int64_t i = 0; i < a.length; ++i) sum += sycl::exp(xk::widen(in[i * a.inner]) - most);
    const A scale = A{1} / sum, shift = sycl::log(sum);
    for (int64_t i = 0; i < a.length; ++i) {
      const A x = xk::widen(in[i * a.inner]) - most;
      out[i * a.inner] = xk::narrow<T>(a.log ? x - shift : sycl::exp(x) * scale);
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
