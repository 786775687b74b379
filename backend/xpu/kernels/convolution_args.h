#pragma once

// Arguments of the direct convolution that serves what oneDNN does not: float64 and
// integer types on CPU devices, and every type where oneDNN is not installed.
//
//   out[n, o, y] = bias[o] + sum over c, k of in[n, c, y * stride - padding + k * dilation]
//                                             * weight[o, c, k]
// and its two gradients. A transposed convolution is the gradient of one for `in`,
// with its input in the place of `out`. Always three spatial dimensions, of which
// leading ones may be 1.

#include <cstdint>

namespace xpu_lite::xpu {

struct ConvolutionArgs {
  const void *in, *weight, *out, *bias; // the one that is written is in `result`
  void* result;
  int64_t batch, groups;
  int64_t in_channels, out_channels; // of one group
  int64_t in_size[3], out_size[3], kernel[3];
  int64_t stride[3], padding[3], dilation[3];
  // Strides of memory in elements: batch entry, channel, spatial; weight: output
  // channel, input channel (of a group), spatial.
  int64_t in_stride[5], out_stride[5], weight_stride[5];
};

} // namespace xpu_lite::xpu
