// Layer, RMS and group norm: forward and the input's gradient. A sub-group works on
// a row, which stays in the cache between the passes over it.

#include "backend/xpu/kernels/lanes.h"
#include "backend/xpu/kernels/norm_args.h"

namespace {

using xpu_lite::xpu::RowNormArgs;

template <class A>
inline A eps_of(const RowNormArgs& a) {
  if constexpr (std::is_same_v<A, double>) return sycl::bit_cast<double>(a.eps_d);
  else return a.eps_f;
}

// body(i, parameter index) for the elements of row r, or body(i, -1) without parameters.
template <class F>
inline void each_with_parameter(const xk::Lanes& lanes, const RowNormArgs& a, int64_t r, F body) {
  if (a.inner == 1) {
    const int64_t first = a.groups == 1 ? 0 : r % a.groups * a.length;
    lanes.each(a.length, [&](int64_t i) { body(i, first + i); });
  } else {
    const int64_t channels = a.length / a.inner, first = r % a.groups * channels;
    for (int64_t c = 0; c < channels; ++c) {
      lanes.each(a.inner, [&](int64_t i) { body(c * a.inner + i, first + c); });
    }
  }
}

template <class T>
void forward(const RowNormArgs& a) {
  using A = xk::acc_t<T>;
  const xk::Lanes lanes;
  const A* weight = static_cast<const A*>(a.weight);
  const A* bias = static_cast<const A*>(a.bias);
  lanes.each_task(a.rows, [&](int64_t r) {
    const T* in = static_cast<const T*>(a.in) + r * a.length;
    T* out = static_cast<T*>(a.out) + r * a.length;
    A mean = 0;
    if (a.mean) {
      lanes.each(a.length, [&](int64_t i) { mean += xk::widen(in[i]); });
      mean = lanes.sum(mean) / static_cast<A>(a.length);
    }
    A squares = 0;
    lanes.each(a.length, [&](int64_t i) {
      const A d = xk::widen(in[i]) - mean;
      squares += d * d;
    });
    const A rstd =
        A{1} / sycl::sqrt(lanes.sum(squares) / static_cast<A>(a.length) + eps_of<A>(a));
    if (lanes.lane == 0) {
      if (a.mean) static_cast<A*>(a.mean)[r] = mean;
      if (a.rstd) static_cast<A*>(a.rstd)[r] = rstd;
    }
    if (!weight && !bias) {
      lanes.each(a.length, [&](int64_t i) {
        out[i] = xk::narrow<T>((xk::widen(in[i]) - mean) * rstd);
      });
    } else {
      each_with_parameter(lanes, a, r, [&](int64_t i, int64_t p) {
        const A w = weight ? weight[p] : A{1}, b = bias ? bias[p] : A{0};
        out[i] = xk::narrow<T>((xk::widen(in[i]) - mean) * rstd * w + b);
      });
    }
  });
}

template <class T>
void backward(const RowNormArgs& a) {
  using A = xk::acc_t<T>;
  const xk::Lanes lanes;
  const A* weight = static_cast<const A*>(a.weight);
  lanes.each_task(a.rows, [&](int64_t r) {
    const T* in = static_cast<const T*>(a.in) + r * a.length;
    const T* grad = static_cast<const T*>(a.grad) + r * a.length;
    T* out = static_cast<T*>(a.out) + r * a.length;
    const A mean = a.mean ? static_cast<const A*>(a.mean)[r] : A{0};
    const A rstd = static_cast<const A*>(a.rstd)[r];
    A sum = 0, along = 0;
    each_with_parameter(lanes, a, r, [&](int64_t i, int64_t p) {
      const A g = xk::widen(grad[i]) * (weight ? weight[p] : A{1});
      sum += g;
      along += g * (xk::widen(in[i]) - mean);
    });
    const A n = static_cast<A>(a.length);
    sum = a.mean ? lanes.sum(sum) / n : A{0};
    along = lanes.sum(along) * rstd * rstd / n;
    each_with_parameter(lanes, a, r, [&](int64_t i, int64_t p) {
      const A g = xk::widen(grad[i]) * (weight ? weight[p] : A{1});
      out[i] = xk::narrow<T>(rstd * (g - sum - (xk::widen(in[i]) - mean) * along));
    });
  });
}

} // namespace

#define XK_ROW_NORM(suffix, T)                                          \
  XK(row_norm_##suffix, RowNormArgs) { forward<T>(args); }              \
  XK(row_norm_backward_##suffix, RowNormArgs) { backward<T>(args); }

XK_ROW_NORM(f32, float)
XK_ROW_NORM(f64, double)
XK_ROW_NORM(f16, xk::f16)
XK_ROW_NORM(bf16, xk::bf16)
