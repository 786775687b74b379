// What the gradients of a norm's parameters are made of: sums of each channel over
// all else, in parts that a second launch adds up.

#include "backend/xpu/kernels/lanes.h"
#include "backend/xpu/kernels/norm_args.h"

namespace {

using xpu_lite::xpu::ChannelSumArgs;

constexpr int64_t kBlock = 64; // see Note [Blocked accumulation]

template <class A>
struct Statistics {
  const A* mean;
  const A* rstd;
  int64_t groups, per_group;
  Statistics(const ChannelSumArgs& a)
      : mean(static_cast<const A*>(a.mean)), rstd(static_cast<const A*>(a.rstd)),
        groups(a.groups), per_group(a.groups > 0 ? a.channels / a.groups : 1) {}
  int64_t place(int64_t outer, int64_t channel) const {
    if (groups == 1) return outer;
    return groups > 1 ? outer * groups + channel / per_group : channel;
  }
  A mean_at(int64_t i) const { return mean ? mean[i] : A{0}; }
  A rstd_at(int64_t i) const { return rstd ? rstd[i] : A{1}; }
};

// inner > 1: a sub-group sums one channel of a few of the outer dimension.
template <class T>
void rows(const ChannelSumArgs& a) {
  using A = xk::acc_t<T>;
  const xk::Lanes lanes;
  const Statistics<A> statistics(a);
  lanes.each_task(a.splits * a.channels, [&](int64_t t) {
    const int64_t split = t / a.channels, c = t - split * a.channels;
    const int64_t last = sycl::min((split + 1) * a.chunk, a.outer);
    A sum = 0, along = 0;
    for (int64_t o = split * a.chunk; o < last; ++o) {
      const int64_t base = (o * a.channels + c) * a.inner, place = statistics.place(o, c);
      const A mean = statistics.mean_at(place), rstd = statistics.rstd_at(place);
      const T* in = static_cast<const T*>(a.in) + base;
      const T* grad = static_cast<const T*>(a.grad) + base;
      A part = 0, part_along = 0;
      lanes.each(a.inner, [&](int64_t i) {
        const A g = xk::widen(grad[i]);
        part += g;
        part_along += g * (xk::widen(in[i]) - mean);
      });
      sum += part;
      along += part_along * rstd;
    }
    sum = lanes.sum(sum), along = lanes.sum(along);
    if (lanes.lane == 0) {
      A* partial = static_cast<A*>(a.partial) + split * 2 * a.channels;
      partial[c] = sum, partial[a.channels + c] = along;
    }
  });
}

// inner == 1: a lane sums K channels over a part of the rows.
template <class T, int K>
inline void column_block(const ChannelSumArgs& a, const xk::Lanes& lanes, int64_t first,
                         int64_t split) {
  using A = xk::acc_t<T>;
  const Statistics<A> statistics(a);
  const int64_t begin = split * a.chunk, end = sycl::min(begin + a.chunk, a.outer);
  const int64_t column = first + lanes.lane;
  if (K == 1 && column >= a.channels) return;
  const bool by_row = a.groups > 0;
  A sum[K], along[K], mean[K], rstd[K];
#pragma unroll
  for (int k = 0; k < K; ++k) {
    sum[k] = along[k] = 0;
    mean[k] = by_row ? A{0} : statistics.mean_at(column + k * lanes.width);
    rstd[k] = by_row ? A{1} : statistics.rstd_at(column + k * lanes.width);
  }
  for (int64_t block = begin; block < end; block += kBlock) {
    A part[K], part_along[K];
#pragma unroll
    for (int k = 0; k < K; ++k) part[k] = part_along[k] = 0;
    const int64_t stop = sycl::min(block + kBlock, end);
    for (int64_t o = block; o < stop; ++o) {
      const T* in = static_cast<const T*>(a.in) + o * a.channels + first;
      const T* grad = static_cast<const T*>(a.grad) + o * a.channels + first;
      A row_mean = 0, row_rstd = 1;
      if (a.groups == 1) row_mean = statistics.mean_at(o), row_rstd = statistics.rstd_at(o);
#pragma unroll
      for (int k = 0; k < K; ++k) {
        const int64_t i = k * lanes.width + lanes.lane;
        if (a.groups > 1) {
          const int64_t place = statistics.place(o, first + i);
          row_mean = statistics.mean_at(place), row_rstd = statistics.rstd_at(place);
        }
        const A g = xk::widen(grad[i]);
        part[k] += g;
        part_along[k] += g * (xk::widen(in[i]) - mean[k] - row_mean) * row_rstd;
      }
    }
#pragma unroll
    for (int k = 0; k < K; ++k) sum[k] += part[k], along[k] += part_along[k];
  }
  A* partial = static_cast<A*>(a.partial) + split * 2 * a.channels;
#pragma unroll
  for (int k = 0; k < K; ++k) {
    const int64_t c = column + k * lanes.width;
    partial[c] = sum[k], partial[a.channels + c] = along[k] * rstd[k];
  }
}

template <class T>
void columns(const ChannelSumArgs& a) {
  constexpr int K = 4;
  const xk::Lanes lanes;
  const int64_t wide = K * lanes.width, blocks = (a.channels + wide - 1) / wide;
  lanes.each_task(a.splits * blocks, [&](int64_t t) {
    const int64_t split = t / blocks, first = (t - split * blocks) * wide;
    if (first + wide <= a.channels) {
      column_block<T, K>(a, lanes, first, split);
    } else {
      for (int64_t f = first; f < a.channels; f += lanes.width) {
        column_block<T, 1>(a, lanes, f, split);
      }
    }
  });
}

template <class A>
void finish(const ChannelSumArgs& a) {
  const A* partial = static_cast<const A*>(a.partial);
  const auto it = xk::item();
  for (int64_t c = it.get_global_id(0); c < a.channels; c += it.get_global_range(0)) {
    A sum = 0, along = 0;
    for (int64_t s = 0; s < a.splits; ++s) {
      sum += partial[s * 2 * a.channels + c];
      along += partial[(s * 2 + 1) * a.channels + c];
    }
    if (a.sum_grad) static_cast<A*>(a.sum_grad)[c] = sum;
    if (a.sum_grad_x) static_cast<A*>(a.sum_grad_x)[c] = along;
  }
}

} // namespace

#define XK_SUMS(suffix, T)                                               \
  XK(channel_sums_rows_##suffix, ChannelSumArgs) { rows<T>(args); }      \
  XK(channel_sums_cols_##suffix, ChannelSumArgs) { columns<T>(args); }

XK_SUMS(f32, float)
XK_SUMS(f64, double)
XK_SUMS(f16, xk::f16)
XK_SUMS(bf16, xk::bf16)
XK(channel_sums_finish_f32, ChannelSumArgs) { finish<float>(args); }
XK(channel_sums_finish_f64, ChannelSumArgs) { finish<double>(args); }
