#pragma once

// Which inputs an output of a pooling reads, and which outputs an input reaches.
// Backward kernels gather along the second: no atomics, and the same sums in every
// run. Device code.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/pool_args.h"

namespace xk {

using xpu_lite::xpu::PoolAxis;
using xpu_lite::xpu::PoolShape;

struct Range {
  int64_t first, last, step;
};

inline int64_t divide(int64_t a, int64_t b, bool narrow) {
  return narrow ? static_cast<int64_t>(static_cast<uint32_t>(a) / static_cast<uint32_t>(b)) : a / b;
}

struct FixedWindow {
  static Range inputs(const PoolAxis& axis, int64_t o, bool) {
    int64_t first = o * axis.stride - axis.padding;
    int64_t last = first + (axis.kernel - 1) * axis.dilation + 1;
    last = last < axis.in ? last : axis.in;
    while (first < 0) first += axis.dilation;
    return {first, last, axis.dilation};
  }
  static Range outputs(const PoolAxis& axis, int64_t i, bool narrow) {
    const int64_t span = (axis.kernel - 1) * axis.dilation + 1, at = i + axis.padding;
    const int64_t first = at < span ? 0 : divide(at - span, axis.stride, narrow) + 1;
    const int64_t last = divide(at, axis.stride, narrow) + 1;
    return {first, last < axis.out ? last : axis.out, 1};
  }
};

struct AdaptiveWindow {
  static Range inputs(const PoolAxis& axis, int64_t o, bool narrow) {
    return {divide(o * axis.in, axis.out, narrow),
            divide((o + 1) * axis.in + axis.out - 1, axis.out, narrow), 1};
  }
  static Range outputs(const PoolAxis& axis, int64_t i, bool narrow) {
    return {divide(i * axis.out, axis.in, narrow),
            divide((i + 1) * axis.out + axis.in - 1, axis.in, narrow), 1};
  }
};

// Where element `i` of one side (`Out`: of the output) lies, and where its channel
// begins on the other side; positions there are `step` elements apart.
struct PoolPlace {
  int64_t position[3];
  int64_t other_base, step;
};

template <bool Out>
inline PoolPlace place_of(const PoolShape& shape, int64_t i) {
  int64_t size[3], plane = 1, other = 1;
#pragma unroll
  for (int d = 0; d < 3; ++d) {
    size[d] = Out ? shape.axes[d].out : shape.axes[d].in;
    plane *= size[d];
    other *= Out ? shape.axes[d].in : shape.axes[d].out;
  }
  const bool narrow = shape.narrow;
  PoolPlace place;
  int64_t position;
  if (shape.channels_last) {
    const int64_t rest = divide(i, shape.channels, narrow);
    const int64_t n = divide(rest, plane, narrow);
    position = rest - n * plane;
    place.other_base = n * other * shape.channels + (i - rest * shape.channels);
    place.step = shape.channels;
  } else {
    const int64_t n = divide(i, plane, narrow);
    position = i - n * plane;
    place.other_base = n * other;
    place.step = 1;
  }
  const int64_t row = divide(position, size[2], narrow);
  place.position[2] = position - row * size[2];
  place.position[0] = divide(row, size[1], narrow);
  place.position[1] = row - place.position[0] * size[1];
  return place;
}

// body(i) for the items of the grid.
template <class Body>
inline void for_items(int64_t items, const Body& body) {
  const auto it = item();
  const int64_t step = static_cast<int64_t>(it.get_global_range(0));
  for (int64_t i = static_cast<int64_t>(it.get_global_id(0)); i < items; i += step) body(i);
}

} // namespace xk
