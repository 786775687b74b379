// Sampling of images at the places that a grid names, and its two gradients. Each
// axis gives the elements that a place touches, with weights and their derivatives;
// the rest are products.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/grid_sample_args.h"

using namespace xk;
using namespace xpu_lite::xpu;

namespace {

constexpr int kMostTaps = 4;

template <class A>
struct AxisTaps {
  int count = 1;
  int64_t at[kMostTaps] = {0, 0, 0, 0}; // below 0: outside
  A weight[kMostTaps] = {1, 0, 0, 0};
  A slope[kMostTaps] = {0, 0, 0, 0}; // derivative by the grid's number
};

template <class A>
inline A clip(A x, int64_t size, A& slope) {
  const A last = static_cast<A>(size - 1);
  if (!(x > A(0))) {
    slope = 0;
    return 0;
  }
  if (x >= last) {
    slope = 0;
    return last;
  }
  return x;
}

// Mirrored at both ends; `twice` are the ends times two.
template <class A>
inline A reflect(A x, int64_t twice_low, int64_t twice_high, A& slope) {
  if (twice_low == twice_high) {
    slope = 0;
    return 0;
  }
  const A low = static_cast<A>(twice_low) / 2;
  const A span = static_cast<A>(twice_high - twice_low) / 2;
  x -= low;
  if (x < A(0)) {
    x = -x;
    slope = -slope;
  }
  const A flips = sycl::floor(x / span);
  const A extra = sycl::fmod(x, span);
  if (flips - 2 * sycl::floor(flips / 2) == A(0)) return extra + low;
  slope = -slope;
  return span - extra + low;
}

template <class A>
inline A padded(const GridSampleArgs& a, A x, int64_t size, A& slope) {
  if (a.padding == GridPadding::Zeros) return x;
  if (a.padding == GridPadding::Reflection) {
    x = a.align_corners ? reflect<A>(x, 0, 2 * (size - 1), slope)
                        : reflect<A>(x, -1, 2 * size - 1, slope);
  }
  return clip(x, size, slope);
}

template <class A>
inline int64_t inside(A x, int64_t size) {
  return x >= A(0) && x <= static_cast<A>(size - 1) ? static_cast<int64_t>(x) : -1;
}

// Keys' cubic kernel with a = -0.75.
template <class A>
inline void cubic(A t, A* weight, A* slope) {
  constexpr A k = A(-0.75);
  const A distance[4] = {t + 1, t, 1 - t, 2 - t};
  for (int i = 0; i < 4; ++i) {
    const A d = distance[i];
    const A sign = i < 2 ? A(1) : A(-1);
    if (i == 0 || i == 3) {
      weight[i] = ((k * d - 5 * k) * d + 8 * k) * d - 4 * k;
      slope[i] = sign * ((3 * k * d - 10 * k) * d + 8 * k);
    } else {
      weight[i] = ((k + 2) * d - (k + 3)) * d * d + 1;
      slope[i] = sign * (3 * (k + 2) * d - 2 * (k + 3)) * d;
    }
  }
}

template <class A>
inline void taps_of(const GridSampleArgs& a, A number, int64_t size, AxisTaps<A>& taps) {
  const A scale = static_cast<A>(a.align_corners ? size - 1 : size) / 2;
  A slope = scale;
  A x = a.align_corners ? (number + 1) / 2 * static_cast<A>(size - 1)
                        : ((number + 1) * static_cast<A>(size) - 1) / 2;
  if (a.mode == GridMode::Cubic) {
    const A first = sycl::floor(x);
    taps.count = 4;
    cubic<A>(x - first, taps.weight, taps.slope);
    for (int i = 0; i < 4; ++i) {
      A unused = 0;
      taps.at[i] = inside(padded<A>(a, first - 1 + static_cast<A>(i), size, unused), size);
      taps.slope[i] *= scale;
    }
    return;
  }
  x = padded<A>(a, x, size, slope);
  if (a.mode == GridMode::Nearest) {
    taps.at[0] = inside(sycl::rint(x), size);
    return;
  }
  const A first = sycl::floor(x);
  taps.count = 2;
  taps.at[0] = inside(first, size);
  taps.at[1] = inside(first + 1, size);
  taps.weight[0] = first + 1 - x;
  taps.weight[1] = x - first;
  taps.slope[0] = -slope;
  taps.slope[1] = slope;
}

// The taps of all axes (depth, height, width) at position p of image n.
template <class T, class A>
inline void place_taps(const GridSampleArgs& a, int64_t n, int64_t p, int64_t positions,
                       AxisTaps<A>* axes) {
  const T* numbers = static_cast<const T*>(a.grid) + (n * positions + p) * a.dims;
  for (int i = 0; i < a.dims; ++i) {
    taps_of<A>(a, static_cast<A>(widen(numbers[i])), a.in[2 - i], axes[2 - i]);
  }
}

// body(offset in the image, weight, tap numbers)
template <class A, class Body>
inline void each_tap(const GridSampleArgs& a, const AxisTaps<A>* axes, const Body& body) {
  for (int z = 0; z < axes[0].count; ++z) {
    for (int y = 0; y < axes[1].count; ++y) {
      for (int x = 0; x < axes[2].count; ++x) {
        const int64_t iz = axes[0].at[z], iy = axes[1].at[y], ix = axes[2].at[x];
        const bool there = iz >= 0 && iy >= 0 && ix >= 0;
        body(there ? (iz * a.in[1] + iy) * a.in[2] + ix : int64_t{-1}, z, y, x);
      }
    }
  }
}

template <class T>
inline void forward(const GridSampleArgs& a) {
  using A = acc_t<T>;
  const int64_t positions = a.size[0] * a.size[1] * a.size[2];
  const int64_t plane = a.in[0] * a.in[1] * a.in[2];
  const int64_t total = a.batch * positions;
  auto it = item();
  for (int64_t i = it.get_global_id(0); i < total; i += it.get_global_range(0)) {
    const int64_t n = i / positions, p = i - n * positions;
    AxisTaps<A> axes[3];
    place_taps<T, A>(a, n, p, positions, axes);
    for (int64_t c = 0; c < a.channels; ++c) {
      const T* image = static_cast<const T*>(a.input) + (n * a.channels + c) * plane;
      A sum = 0;
      each_tap<A>(a, axes, [&](int64_t at, int z, int y, int x) {
        const A value = at < 0 ? A(0) : static_cast<A>(widen(image[at]));
        sum += value * (axes[0].weight[z] * axes[1].weight[y] * axes[2].weight[x]);
      });
      static_cast<T*>(a.out)[(n * a.channels + c) * positions + p] = narrow<T>(sum);
    }
  }
}

template <class A>
inline void add_alone(A* to, A value) {
  *to += value;
}
template <class A>
inline void add_shared(A* to, A value) {
  sycl::atomic_ref<A, sycl::memory_order::relaxed, sycl::memory_scope::device,
                   sycl::access::address_space::global_space>(*to)
      .fetch_add(value);
}

template <class T>
inline void grad_input(const GridSampleArgs& a) {
  using A = acc_t<T>;
  const int64_t positions = a.size[0] * a.size[1] * a.size[2];
  const int64_t plane = a.in[0] * a.in[1] * a.in[2];
  auto it = item();
  auto spread = [&](int64_t n, int64_t c, int64_t p, const AxisTaps<A>* axes, auto add) {
    const int64_t channel = n * a.channels + c;
    const A grad =
        static_cast<A>(widen(static_cast<const T*>(a.grad_out)[channel * positions + p]));
    A* image = static_cast<A*>(a.grad_input) + channel * plane;
    each_tap<A>(a, axes, [&](int64_t at, int z, int y, int x) {
      if (at >= 0) add(image + at, grad * (axes[0].weight[z] * axes[1].weight[y] * axes[2].weight[x]));
    });
  };
  if (a.by_plane) {
    const int64_t total = a.batch * a.channels;
    for (int64_t i = it.get_global_id(0); i < total; i += it.get_global_range(0)) {
      const int64_t n = i / a.channels, c = i - n * a.channels;
      for (int64_t p = 0; p < positions; ++p) {
        AxisTaps<A> axes[3];
        place_taps<T, A>(a, n, p, positions, axes);
        spread(n, c, p, axes, [](A* to, A value) { add_alone(to, value); });
      }
    }
    return;
  }
  const int64_t total = a.batch * positions;
  for (int64_t i = it.get_global_id(0); i < total; i += it.get_global_range(0)) {
    const int64_t n = i / positions, p = i - n * positions;
    AxisTaps<A> axes[3];
    place_taps<T, A>(a, n, p, positions, axes);
    for (int64_t c = 0; c < a.channels; ++c) {
      spread(n, c, p, axes, [](A* to, A value) { add_shared(to, value); });
    }
  }
}

template <class T>
inline void grad_grid(const GridSampleArgs& a) {
  using A = acc_t<T>;
  const int64_t positions = a.size[0] * a.size[1] * a.size[2];
  const int64_t plane = a.in[0] * a.in[1] * a.in[2];
  const int64_t total = a.batch * positions;
  auto it = item();
  for (int64_t i = it.get_global_id(0); i < total; i += it.get_global_range(0)) {
    const int64_t n = i / positions, p = i - n * positions;
    AxisTaps<A> axes[3];
    place_taps<T, A>(a, n, p, positions, axes);
    A sum[3] = {0, 0, 0}; // by width, height, depth: the grid's order
    for (int64_t c = 0; c < a.channels; ++c) {
      const int64_t channel = n * a.channels + c;
      const T* image = static_cast<const T*>(a.input) + channel * plane;
      const A grad =
          static_cast<A>(widen(static_cast<const T*>(a.grad_out)[channel * positions + p]));
      each_tap<A>(a, axes, [&](int64_t at, int z, int y, int x) {
        if (at < 0) return;
        const A value = static_cast<A>(widen(image[at])) * grad;
        const A wz = axes[0].weight[z], wy = axes[1].weight[y], wx = axes[2].weight[x];
        sum[0] += value * (wz * wy * axes[2].slope[x]);
        sum[1] += value * (wz * axes[1].slope[y] * wx);
        sum[2] += value * (axes[0].slope[z] * wy * wx);
      });
    }
    T* out = static_cast<T*>(a.grad_grid) + i * a.dims;
    for (int d = 0; d < a.dims; ++d) out[d] = narrow<T>(sum[d]);
  }
}

} // namespace

#define XK_GRID_SAMPLE(suffix, T)                                            \
  XK(grid_sample_##suffix, GridSampleArgs) { forward<T>(args); }             \
  XK(grid_sample_grad_input_##suffix, GridSampleArgs) { grad_input<T>(args); } \
  XK(grid_sample_grad_grid_##suffix, GridSampleArgs) { grad_grid<T>(args); }
XK_GRID_SAMPLE(f32, float)
XK_GRID_SAMPLE(f64, double)
XK_GRID_SAMPLE(f16, f16)
XK_GRID_SAMPLE(bf16, bf16)
