#pragma once

// Arguments of the pooling kernels: one, two or three spatial dimensions, as
// three (leading ones of size 1).
//
// Input and output lie either as (batch, channel, position) or, channels last, as
// (batch, position, channel); both are dense. Adaptive pooling has no kernel,
// stride, padding and dilation: a window is what the sizes make it.

#include <cstdint>

namespace xpu_lite::xpu {

// Division of 0 <= n < 2^31 by a number known before: a product and a shift.
struct Divisor {
  uint32_t magic = 0, shift = 0;
  Divisor() = default;
  explicit Divisor(int64_t d) {
    while ((int64_t{1} << shift) < d) ++shift;
    magic = static_cast<uint32_t>(((uint64_t{1} << 32) * ((uint64_t{1} << shift) - d)) / d + 1);
  }
};

struct PoolAxis {
  int64_t in, out;
  int64_t kernel, stride, padding, dilation;
  Divisor by_in = {}, by_out = {}, by_stride = {}; // used if `narrow`; see set_divisors
};

struct PoolShape {
  int64_t batch, channels;
  PoolAxis axes[3]; // depth, height, width
  uint8_t channels_last;
  uint8_t narrow; // everything that is computed lies below 2^31
  Divisor by_channels = {}, by_plane_in = {}, by_plane_out = {};

  void set_divisors() {
    by_channels = Divisor(channels);
    by_plane_in = Divisor(axes[0].in * axes[1].in * axes[2].in);
    by_plane_out = Divisor(axes[0].out * axes[1].out * axes[2].out);
    for (PoolAxis& axis : axes) {
      axis.by_in = Divisor(axis.in);
      axis.by_out = Divisor(axis.out);
      axis.by_stride = Divisor(axis.stride);
    }
  }
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
