#pragma once

// The pieces of a batch norm that is spread over processes (SyncBatchNorm): what
// each process computes before and after the exchange of its statistics. And the
// backward pass of RMSNorm, which shares their shape of loop.
//
// A tensor is [outer, channels, inner], contiguous: inner is 1 for channels-last.
// Sums are accumulated in double. Statistics are float, or double for Double.

#include <cstdint>

#include "backend/cpu/dispatch.h"

namespace xpu_lite::cpu {

enum class NormType : int { Float, Double, BFloat16, Half };

struct ChannelShape {
  int64_t outer = 0, channels = 0, inner = 0;
};

struct BatchNormStats { // mean and 1 / sqrt(variance + eps) of each channel
  ChannelShape shape;
  const void* input = nullptr;
  double eps = 0;
  void *mean = nullptr, *invstd = nullptr;
};

struct BatchNormApply { // (input - mean) * invstd * weight + bias
  ChannelShape shape;
  const void* input = nullptr;
  const void *mean = nullptr, *invstd = nullptr;
  const double *weight = nullptr, *bias = nullptr; // each may be absent
  void* out = nullptr;
};

struct BatchNormReduce { // sum of grad, and of grad * (input - mean)
  ChannelShape shape;
  const void *grad = nullptr, *input = nullptr;
  const void* mean = nullptr;
  double *sum = nullptr, *sum_centered = nullptr;
};

struct BatchNormBackward { // (grad - shift - (input - mean) * slope) * factor
  ChannelShape shape;
  const void *grad = nullptr, *input = nullptr;
  const void* mean = nullptr;
  const double *shift = nullptr, *slope = nullptr, *factor = nullptr;
  void* grad_input = nullptr;
};

struct RmsNormForward { // input [rows, columns]
  int64_t rows = 0, columns = 0;
  const void *input = nullptr, *weight = nullptr; // weight may be absent
  double eps = 0;
  void* out = nullptr;
  void* rstd = nullptr; // [rows], statistic
};

struct RmsNormBackward {
  int64_t rows = 0, columns = 0;
  const void *grad = nullptr, *input = nullptr, *weight = nullptr, *rstd = nullptr;
  void *grad_input = nullptr, *grad_weight = nullptr; // each may be absent
};

} // namespace xpu_lite::cpu

XPU_LITE_DECLARE_KERNEL(batch_norm_stats, void(const BatchNormStats&, NormType));
XPU_LITE_DECLARE_KERNEL(batch_norm_apply, void(const BatchNormApply&, NormType));
XPU_LITE_DECLARE_KERNEL(batch_norm_reduce, void(const BatchNormReduce&, NormType));
XPU_LITE_DECLARE_KERNEL(batch_norm_backward, void(const BatchNormBackward&, NormType));
XPU_LITE_DECLARE_KERNEL(rms_norm_forward, void(const RmsNormForward&, NormType));
// False when there is no memory for one row of sums per thread.
XPU_LITE_DECLARE_KERNEL(rms_norm_backward, bool(const RmsNormBackward&, NormType));
