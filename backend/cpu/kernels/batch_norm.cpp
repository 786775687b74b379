// See batch_norm.h. Work is shared out by channels, so that no sum is split over
// threads and results do not depend on their number.

#include "backend/cpu/kernels/batch_norm.h"

#include <omp.h>

#include <cmath>
#include <cstdlib>

#include "backend/cpu/kernels/scalar_types.h"

namespace xpu_lite::cpu::XPU_LITE_LEVEL {
namespace {

constexpr int64_t kGrain = 16384;
// Channels side by side in one pass over a channels-last tensor.
constexpr int64_t kGroup = 32;

// Calls body(value index, place in group) over all elements of channels
// [first, first + count): along `inner` when it is long, else across channels.
template <class Body>
XPU_LITE_INLINE void over_channels(const ChannelShape& s, int64_t first, int64_t count,
                                   const Body& body) {
  for (int64_t o = 0; o < s.outer; ++o) {
    if (s.inner == 1) {
      const int64_t base = o * s.channels + first;
#pragma GCC ivdep
      for (int64_t c = 0; c < count; ++c) body(base + c, c);
    } else {
      for (int64_t c = 0; c < count; ++c) {
        const int64_t base = (o * s.channels + first + c) * s.inner;
        for (int64_t i = 0; i < s.inner; ++i) body(base + i, c);
      }
    }
  }
}

// One group of channels per task.
template <class Body>
void for_groups(const ChannelShape& s, const Body& body) {
  const int64_t width = s.inner == 1 ? kGroup : 1;
  const int64_t groups = (s.channels + width - 1) / width;
  const bool parallel = s.outer * s.channels * s.inner > kGrain;
#pragma omp parallel for schedule(static) if (parallel)
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t first = g * width;
    const int64_t left = s.channels - first;
    body(first, left < width ? left : width);
  }
}

template <class S>
void stats(const BatchNormStats& p) {
  using T = accumulate_t<S>;
  const S* const x = static_cast<const S*>(p.input);
  const double n = static_cast<double>(p.shape.outer * p.shape.inner);
  for_groups(p.shape, [&](int64_t first, int64_t count) {
    double mean[kGroup] = {}, square[kGroup] = {};
    over_channels(p.shape, first, count, [&](int64_t at, int64_t c)
                  __attribute__((always_inline)) { mean[c] += static_cast<double>(T(x[at])); });
    for (int64_t c = 0; c < count; ++c) mean[c] /= n;
    over_channels(p.shape, first, count, [&](int64_t at, int64_t c)
                  __attribute__((always_inline)) {
      const double d = static_cast<double>(T(x[at])) - mean[c];
      square[c] += d * d;
    });
    for (int64_t c = 0; c < count; ++c) {
      static_cast<T*>(p.mean)[first + c] = static_cast<T>(mean[c]);
      static_cast<T*>(p.invstd)[first + c] =
          static_cast<T>(1.0 / ::sqrt(square[c] / n + p.eps));
    }
  });
}

template <class S>
void apply(const BatchNormApply& p) {
  using T = accumulate_t<S>;
  const S* const x = static_cast<const S*>(p.input);
  S* const __restrict y = static_cast<S*>(p.out);
  for_groups(p.shape, [&](int64_t first, int64_t count) {
    T mean[kGroup], slope[kGroup], bias[kGroup];
    for (int64_t c = 0; c < count; ++c) {
      mean[c] = static_cast<const T*>(p.mean)[first + c];
      const T invstd = static_cast<const T*>(p.invstd)[first + c];
      slope[c] = p.weight ? static_cast<T>(p.weight[first + c]) * invstd : invstd;
      bias[c] = p.bias ? static_cast<T>(p.bias[first + c]) : T(0);
    }
    over_channels(p.shape, first, count, [&](int64_t at, int64_t c)
                  __attribute__((always_inline)) {
      y[at] = S((T(x[at]) - mean[c]) * slope[c] + bias[c]);
    });
  });
}

template <class S>
void reduce(const BatchNormReduce& p) {
  using T = accumulate_t<S>;
  const S* const g = static_cast<const S*>(p.grad);
  const S* const x = static_cast<const S*>(p.input);
  for_groups(p.shape, [&](int64_t first, int64_t count) {
    double sum[kGroup] = {}, centered[kGroup] = {}, mean[kGroup];
    for (int64_t c = 0; c < count; ++c) {
      mean[c] = static_cast<double>(static_cast<const T*>(p.mean)[first + c]);
    }
    over_channels(p.shape, first, count, [&](int64_t at, int64_t c)
                  __attribute__((always_inline)) {
      const double grad = static_cast<double>(T(g[at]));
      sum[c] += grad;
      centered[c] += grad * (static_cast<double>(T(x[at])) - mean[c]);
    });
    for (int64_t c = 0; c < count; ++c) {
      p.sum[first + c] = sum[c];
      p.sum_centered[first + c] = centered[c];
    }
  });
}

template <class S>
void backward(const BatchNormBackward& p) {
  using T = accumulate_t<S>;
  const S* const g = static_cast<const S*>(p.grad);
  const S* const x = static_cast<const S*>(p.input);
  S* const __restrict out = static_cast<S*>(p.grad_input);
  for_groups(p.shape, [&](int64_t first, int64_t count) {
    T mean[kGroup], shift[kGroup], slope[kGroup], factor[kGroup];
    for (int64_t c = 0; c < count; ++c) {
      mean[c] = static_cast<const T*>(p.mean)[first + c];
      shift[c] = static_cast<T>(p.shift[first + c]);
      slope[c] = static_cast<T>(p.slope[first + c]);
      factor[c] = static_cast<T>(p.factor[first + c]);
    }
    over_channels(p.shape, first, count, [&](int64_t at, int64_t c)
                  __attribute__((always_inline)) {
      out[at] = S((T(g[at]) - shift[c] - (T(x[at]) - mean[c]) * slope[c]) * factor[c]);
    });
  });
}

// ---- RMSNorm: rows are independent but for the weight's gradient ------------------

// Sums of a row in 16 lanes, which vectorises without reordering flags.
constexpr int kLanes = 16;
template <class T>
XPU_LITE_INLINE T total(const T (&lanes)[kLanes]) {
  T sum = 0;
  for (int l = 0; l < kLanes; ++l) sum += lanes[l];
  return sum;
}

template <class S>
void rms_forward(const RmsNormForward& p) {
  using T = accumulate_t<S>;
  const int64_t n = p.columns;
  const S* const w = static_cast<const S*>(p.weight);
#pragma omp parallel for schedule(static) if (p.rows * n > kGrain)
  for (int64_t r = 0; r < p.rows; ++r) {
    const S* x = static_cast<const S*>(p.input) + r * n;
    S* __restrict y = static_cast<S*>(p.out) + r * n;
    T lanes[kLanes] = {};
    int64_t j = 0;
    for (; j + kLanes <= n; j += kLanes) {
      for (int l = 0; l < kLanes; ++l) lanes[l] += T(x[j + l]) * T(x[j + l]);
    }
    for (; j < n; ++j) lanes[0] += T(x[j]) * T(x[j]);
    const T rstd =
        static_cast<T>(T(1) / ::sqrt(static_cast<double>(total(lanes)) / static_cast<double>(n) + p.eps));
    static_cast<T*>(p.rstd)[r] = rstd;
    if (w) {
      for (j = 0; j < n; ++j) y[j] = S(T(x[j]) * rstd * T(w[j]));
    } else {
      for (j = 0; j < n; ++j) y[j] = S(T(x[j]) * rstd);
    }
  }
}

template <class S>
bool rms_backward(const RmsNormBackward& p) {
  using T = accumulate_t<S>;
  const int64_t n = p.columns;
  const S* const w = static_cast<const S*>(p.weight);
  // Each of a fixed number of slices of the rows has its own sums.
  const int64_t slices = p.rows * n > kGrain ? (p.rows < 64 ? p.rows : 64) : 1;
  T* sums = nullptr;
  if (p.grad_weight) {
    sums = static_cast<T*>(::calloc(static_cast<size_t>(slices * n + 1), sizeof(T)));
    if (!sums) return false;
  }
#pragma omp parallel for schedule(static) if (slices > 1)
  for (int64_t s = 0; s < slices; ++s) {
    T* __restrict sum = sums ? sums + s * n : nullptr;
    for (int64_t r = p.rows * s / slices; r < p.rows * (s + 1) / slices; ++r) {
      const S* g = static_cast<const S*>(p.grad) + r * n;
      const S* x = static_cast<const S*>(p.input) + r * n;
      const T rstd = static_cast<const T*>(p.rstd)[r];
      if (sum) {
        for (int64_t j = 0; j < n; ++j) sum[j] += T(g[j]) * T(x[j]) * rstd;
      }
      if (!p.grad_input) continue;
      T lanes[kLanes] = {};
      int64_t j = 0;
      for (; j + kLanes <= n; j += kLanes) {
        for (int l = 0; l < kLanes; ++l) {
          lanes[l] += T(g[j + l]) * (w ? T(w[j + l]) : T(1)) * T(x[j + l]);
        }
      }
      for (; j < n; ++j) lanes[0] += T(g[j]) * (w ? T(w[j]) : T(1)) * T(x[j]);
      const T slope = total(lanes) * rstd * rstd / static_cast<T>(n);
      S* __restrict out = static_cast<S*>(p.grad_input) + r * n;
      if (w) {
        for (j = 0; j < n; ++j) out[j] = S((T(g[j]) * T(w[j]) - T(x[j]) * slope) * rstd);
      } else {
        for (j = 0; j < n; ++j) out[j] = S((T(g[j]) - T(x[j]) * slope) * rstd);
      }
    }
  }
  if (sums) {
    for (int64_t s = 1; s < slices; ++s) {
      for (int64_t j = 0; j < n; ++j) sums[j] += sums[s * n + j];
    }
    for (int64_t j = 0; j < n; ++j) static_cast<S*>(p.grad_weight)[j] = S(sums[j]);
    ::free(sums);
  }
  return true;
}

#define NORM_KERNEL(RET, NAME, PARAMS, FN)             \
  RET NAME(const PARAMS& p, NormType type) {           \
    switch (type) {                                    \
      case NormType::Float: return FN<float>(p);       \
      case NormType::Double: return FN<double>(p);     \
      case NormType::BFloat16: return FN<bfloat16>(p); \
      case NormType::Half: return FN<half>(p);         \
    }                                                  \
    return RET();                                      \
  }
NORM_KERNEL(void, run_stats, BatchNormStats, stats)
NORM_KERNEL(void, run_apply, BatchNormApply, apply)
NORM_KERNEL(void, run_reduce, BatchNormReduce, reduce)
NORM_KERNEL(void, run_backward, BatchNormBackward, backward)
NORM_KERNEL(void, run_rms_forward, RmsNormForward, rms_forward)
NORM_KERNEL(bool, run_rms_backward, RmsNormBackward, rms_backward)
#undef NORM_KERNEL

} // namespace

XPU_LITE_REGISTER_KERNEL(batch_norm_stats, run_stats);
XPU_LITE_REGISTER_KERNEL(batch_norm_apply, run_apply);
XPU_LITE_REGISTER_KERNEL(batch_norm_reduce, run_reduce);
XPU_LITE_REGISTER_KERNEL(batch_norm_backward, run_backward);
XPU_LITE_REGISTER_KERNEL(rms_norm_forward, run_rms_forward);
XPU_LITE_REGISTER_KERNEL(rms_norm_backward, run_rms_backward);

} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
