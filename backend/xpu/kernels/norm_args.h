#pragma once

// Arguments of layer, RMS, group and batch norm. Parameters (weight, bias) and
// statistics are always in the accumulation type; any of them may be null.

#include <cstdint>

namespace xpu_lite::xpu {

// Rows of `length` elements, each normalised by itself. Element i of row r has
// parameter (r % groups) * (length / inner) + i / inner: layer norm has groups 1
// and inner 1; group norm has its groups, and inner = pixels.
struct RowNormArgs {
  const void* in;
  const void* grad; // backward only
  const void* weight;
  const void* bias;
  void* out;  // the result; backward: the input's gradient
  void* mean; // written by forward, read by backward; null in RMS norm
  void* rstd;
  int64_t rows, length, groups, inner;
  float eps_f;
  uint64_t eps_d; // see Note [Numbers of 64 bits]
};

// Dense [outer, channels, inner].
struct ChannelNormArgs {
  const void* in;
  const void* grad;
  const void* weight;
  const void* mean;
  const void* rstd;
  const void* scale; // forward: x * scale + shift
  const void* shift;
  const void* sum_grad; // backward: of each channel
  const void* sum_grad_x;
  void* out;
  int64_t outer, channels, inner;
  int64_t chunk; // rows of one task where inner is 1
  int32_t train;
  float share_f; // 1 / elements of a channel
  uint64_t share_d;
};

// Sums of each channel: of grad, and of grad * (x - mean) * rstd.
struct ChannelSumArgs {
  const void* in;
  const void* grad;
  const void* mean; // null: 0
  const void* rstd; // null: 1
  void* partial;    // [splits][2][channels], accumulation type
  void* sum_grad;   // either may be null
  void* sum_grad_x;
  int64_t outer, channels, inner;
  int64_t splits, chunk; // parts of the outer dimension
  int64_t groups;        // > 0: statistics of [outer, groups]; 0: of [channels]
};

// What a batch norm derives from each channel's mean and variance.
struct ChannelStatArgs {
  const void* mean;
  const void* var; // biased; or, with is_rstd, 1 / sqrt(var + eps)
  const void* weight;
  const void* bias;
  void* save_mean; // these may be null
  void* save_rstd;
  void* scale;
  void* shift;
  void* running_mean;
  void* running_var;
  int64_t channels;
  int32_t is_rstd;
  float eps_f, momentum_f, unbias_f; // unbias: n / (n - 1)
  uint64_t eps_d, momentum_d, unbias_d;
};

} // namespace xpu_lite::xpu
