// Batch norm once the statistics are there: what each channel scales and shifts by,
// running statistics, the result, and the input's gradient.

#include "backend/xpu/kernels/lanes.h"
#include "backend/xpu/kernels/norm_args.h"

namespace {

using xpu_lite::xpu::ChannelNormArgs;
using xpu_lite::xpu::ChannelStatArgs;

template <class A>
inline A number(float narrow, uint64_t wide) {
  if constexpr (std::is_same_v<A, double>) return sycl::bit_cast<double>(wide);
  else return narrow;
}

template <class A>
void statistics(const ChannelStatArgs& a) {
  const A eps = number<A>(a.eps_f, a.eps_d);
  const A momentum = number<A>(a.momentum_f, a.momentum_d);
  const A unbias = number<A>(a.unbias_f, a.unbias_d);
  const auto it = xk::item();
  for (int64_t c = it.get_global_id(0); c < a.channels; c += it.get_global_range(0)) {
    const A mean = static_cast<const A*>(a.mean)[c], var = static_cast<const A*>(a.var)[c];
    const A rstd = a.is_rstd ? var : A{1} / sycl::sqrt(var + eps);
    if (a.save_mean) static_cast<A*>(a.save_mean)[c] = mean;
    if (a.save_rstd) static_cast<A*>(a.save_rstd)[c] = rstd;
    if (a.scale) {
      const A scale = rstd * (a.weight ? static_cast<const A*>(a.weight)[c] : A{1});
      static_cast<A*>(a.scale)[c] = scale;
      static_cast<A*>(a.shift)[c] =
          (a.bias ? static_cast<const A*>(a.bias)[c] : A{0}) - mean * scale;
    }
    if (a.running_mean) {
      A& running = static_cast<A*>(a.running_mean)[c];
      running = running * (1 - momentum) + mean * momentum;
    }
    if (a.running_var) {
      A& running = static_cast<A*>(a.running_var)[c];
      running = running * (1 - momentum) + var * unbias * momentum;
    }
  }
}

// body(element, channel) for all elements, whichever way channels lie in memory.
template <class F>
inline void each_element(const ChannelNormArgs& a, F body) {
  const xk::Lanes lanes;
  if (a.inner == 1) {
    const int64_t tasks = (a.outer + a.chunk - 1) / a.chunk;
    lanes.each_task(tasks, [&](int64_t t) {
      const int64_t end = sycl::min((t + 1) * a.chunk, a.outer);
      for (int64_t o = t * a.chunk; o < end; ++o) {
        lanes.each(a.channels, [&](int64_t c) { body(o * a.channels + c, c); });
      }
    });
  } else {
    lanes.each_task(a.outer * a.channels, [&](int64_t t) {
      const int64_t c = t % a.channels;
      lanes.each(a.inner, [&](int64_t i) { body(t * a.inner + i, c); });
    });
  }
}

template <class T>
void apply(const ChannelNormArgs& a) {
  using A = xk::acc_t<T>;
  const A* scale = static_cast<const A*>(a.scale);
  const A* shift = static_cast<const A*>(a.shift);
  const T* in = static_cast<const T*>(a.in);
  T* out = static_cast<T*>(a.out);
  each_element(a, [&](int64_t i, int64_t c) {
    out[i] = xk::narrow<T>(xk::widen(in[i]) * scale[c] + shift[c]);
  });
}

template <class T>
void backward(const ChannelNormArgs& a) {
  using A = xk::acc_t<T>;
  const A share = number<A>(a.share_f, a.share_d);
  const A* weight = static_cast<const A*>(a.weight);
  const A* mean = static_cast<const A*>(a.mean);
  const A* rstd = static_cast<const A*>(a.rstd);
  const A* sum = static_cast<const A*>(a.sum_grad);
  const A* along = static_cast<const A*>(a.sum_grad_x);
  const T* in = static_cast<const T*>(a.in);
  const T* grad = static_cast<const T*>(a.grad);
  T* out = static_cast<T*>(a.out);
  if (a.train) {
    each_element(a, [&](int64_t i, int64_t c) {
      const A scale = weight ? weight[c] * rstd[c] : rstd[c];
      const A slope = along[c] * share * rstd[c] * rstd[c];
      out[i] = xk::narrow<T>((xk::widen(grad[i]) - sum[c] * share -
                              (xk::widen(in[i]) - mean[c]) * slope) * scale);
    });
  } else {
    each_element(a, [&](int64_t i, int64_t c) {
      const A scale = weight ? weight[c] * rstd[c] : rstd[c];
      out[i] = xk::narrow<T>(xk::widen(grad[i]) * scale);
    });
  }
}

} // namespace

#define XK_BATCH_NORM(suffix, T)                                              \
  XK(channel_norm_##suffix, ChannelNormArgs) { apply<T>(args); }              \
  XK(channel_norm_backward_##suffix, ChannelNormArgs) { backward<T>(args); }

XK_BATCH_NORM(f32, float)
XK_BATCH_NORM(f64, double)
XK_BATCH_NORM(f16, xk::f16)
XK_BATCH_NORM(bf16, xk::bf16)
XK(channel_statistics_f32, ChannelStatArgs) { statistics<float>(args); }
XK(channel_statistics_f64, ChannelStatArgs) { statistics<double>(args); }
