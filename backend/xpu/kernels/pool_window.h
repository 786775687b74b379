#pragma once

// Which inputs an output of a pooling reads, and which outputs an input reaches.
// Backward kernels gather along the second: no atomics, and the same sums in every
// run. Device code. I is int32_t where all numbers fit, else int64_t.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/pool_args.h"

namespace xk {

using xpu_lite::xpu::Divisor;
using xpu_lite::xpu::PoolAxis;
using xpu_lite::xpu::PoolShape;

inline int32_t divide(int32_t n, const Divisor& by, int64_t) {
  const uint32_t u = static_cast<uint32_t>(n);
  return static_cast<int32_t>((sycl::mul_hi(u, by.magic) + u) >> by.shift);
}
inline int64_t divide(int64_t n, const Divisor&, int64_t d) { return n / d; }

template <class I>
struct Range {
  I first, last, step;
};

struct FixedWindow {
  template <class I>
  static Range<I> inputs(const PoolAxis& axis, I o) {
    const I dilation = static_cast<I>(axis.dilation), in = static_cast<I>(axis.in);
    I first = o * static_cast<I>(axis.stride) - static_cast<I>(axis.padding);
    I last = first + (static_cast<I>(axis.kernel) - 1) * dilation + 1;
    last = last < in ? last : in;
    if (dilation == 1) {
      first = first < 0 ? 0 : first;
    } else {
      while (first < 0) first += dilation;
    }
    return {first, last, dilation};
  }
  template <class I>
  static Range<I> outputs(const PoolAxis& axis, I i) {
    const I span = static_cast<I>((axis.kernel - 1) * axis.dilation + 1);
    const I at = i + static_cast<I>(axis.padding), out = static_cast<I>(axis.out);
    const I before = at < span ? I(0) : at - span;
    const I first = divide(before, axis.by_stride, axis.stride) + (at < span ? 0 : 1);
    const I last = divide(at, axis.by_stride, axis.stride) + 1;
    return {first, last < out ? last : out, 1};
  }
};

struct AdaptiveWindow {
  template <class I>
  static Range<I> inputs(const PoolAxis& axis, I o) {
    const I in = static_cast<I>(axis.in), out = static_cast<I>(axis.out);
    return {divide(o * in, axis.by_out, axis.out),
            divide((o + 1) * in + out - 1, axis.by_out, axis.out), 1};
  }
  template <class I>
  static Range<I> outputs(const PoolAxis& axis, I i) {
    const I in = static_cast<I>(axis.in), out = static_cast<I>(axis.out);
    return {divide(i * out, axis.by_in, axis.in),
            divide((i + 1) * out + in - 1, axis.by_in, axis.in), 1};
  }
};

// Where element `i` of one side (Out: of the output) lies, and where its channel
// begins on the other side; positions there are `step` elements apart.
template <class I>
struct PoolPlace {
  I z, y, x;
  I other_base, step;
};

template <bool Out, class I>
inline PoolPlace<I> place_of(const PoolShape& shape, I i) {
  const I depth = static_cast<I>(Out ? shape.axes[0].out : shape.axes[0].in);
  const I height = static_cast<I>(Out ? shape.axes[1].out : shape.axes[1].in);
  const I width = static_cast<I>(Out ? shape.axes[2].out : shape.axes[2].in);
  const I plane = depth * height * width;
  const I other = static_cast<I>(Out ? shape.axes[0].in * shape.axes[1].in * shape.axes[2].in
                                     : shape.axes[0].out * shape.axes[1].out * shape.axes[2].out);
  const Divisor& by_plane = Out ? shape.by_plane_out : shape.by_plane_in;
  PoolPlace<I> place;
  I position;
  if (shape.channels_last) {
    const I channels = static_cast<I>(shape.channels);
    const I rest = divide(i, shape.by_channels, shape.channels);
    const I n = divide(rest, by_plane, plane);
    position = rest - n * plane;
    place.other_base = n * other * channels + (i - rest * channels);
    place.step = channels;
  } else {
    const I n = divide(i, by_plane, plane);
    position = i - n * plane;
    place.other_base = n * other;
    place.step = 1;
  }
  const I row = divide(position, Out ? shape.axes[2].by_out : shape.axes[2].by_in, width);
  place.x = position - row * width;
  place.z = 0;
  place.y = row;
  if (depth > 1) {
    place.z = divide(row, Out ? shape.axes[1].by_out : shape.axes[1].by_in, height);
    place.y = row - place.z * height;
  }
  return place;
}

// body(position in the plane) for what a window covers; kDilated: in steps, else each.
template <bool kDilated, class I, class Body>
inline void each_position(const Range<I>& d, const Range<I>& h, const Range<I>& w, I height,
                          I width, const Body& body) {
  for (I z = d.first; z < d.last; z += kDilated ? d.step : I(1)) {
    for (I y = h.first; y < h.last; y += kDilated ? h.step : I(1)) {
      const I row = (z * height + y) * width;
      for (I x = w.first; x < w.last; x += kDilated ? w.step : I(1)) body(row + x);
    }
  }
}

// The item of this work-item, or none.
template <class I, class Body>
inline void for_item(int64_t items, const Body& body) {
  const int64_t i = static_cast<int64_t>(item().get_global_id(0));
  if (i < items) body(static_cast<I>(i));
}

} // namespace xk
