#pragma once

// Arguments of the pooling kernels: one, two or three spatial dimensions, as
// three (leading ones of size 1).
//
// Input and output lie either as (batch, channel, position) or, channels last, as
// (batch, position, channel); both are dense. Adaptive pooling has no kernel,
// stride, padding and dilation: a window is what the sizes make it.

#include <cstdint>

namespace xpu_lite::xpu {

struct PoolAxis {
  int64_t in, out;
  int64_t kernel, stride, padding, dilation;
};

struct PoolShape {
  int64_t batch, channels;
  PoolAxis axes[3]; // depth, height, width
  uint8_t channels_last;
  uint8_t narrow; // all element counts are below 2^31: divisions of 32 bits do
};

// Forward: `items` elements of `out` from `in`. Backward: `items` elements of `out`,
// the gradient of the input, from `in`, the gradient of the output.
struct MaxPoolArgs {
  void* out;
  const void* in;
  int64_t* indices; // in the layout of the output: position in the channel's plane
  int64_t items;
  PoolShape shape;
};

struct AvgPoolArgs {
  void* out;
  const void* in;
  int64_t items;
  PoolShape shape;
  int64_t divisor; // 0: the window's size
  uint8_t count_padding;
};

} // namespace xpu_lite::xpu
