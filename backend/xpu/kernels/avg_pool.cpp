// Average pooling and its backward.

#include "backend/xpu/kernels/pool_window.h"

using namespace xk;
using namespace xpu_lite::xpu;

namespace {

// The elements that the window of output `o` counts on one axis: with padding, if
// that counts, or without.
inline int64_t counted(const PoolAxis& axis, int64_t o, bool padding) {
  const int64_t start = o * axis.stride - axis.padding;
  const int64_t end = start + axis.kernel;
  if (padding) return (end < axis.in + axis.padding ? end : axis.in + axis.padding) - start;
  return (end < axis.in ? end : axis.in) - (start > 0 ? start : 0);
}

template <class Window>
inline int64_t divisor_of(const AvgPoolArgs& args, int64_t z, int64_t y, int64_t x) {
  const PoolAxis* axes = args.shape.axes;
  if constexpr (std::is_same_v<Window, FixedWindow>) {
    if (args.divisor != 0) return args.divisor;
    const bool padding = args.count_padding;
    return counted(axes[0], z, padding) * counted(axes[1], y, padding) *
           counted(axes[2], x, padding);
  } else {
    const bool narrow = args.shape.narrow;
    const Range d = Window::inputs(axes[0], z, narrow), h = Window::inputs(axes[1], y, narrow),
                w = Window::inputs(axes[2], x, narrow);
    return (d.last - d.first) * (h.last - h.first) * (w.last - w.first);
  }
}

template <class T, class Window>
inline void forward(const AvgPoolArgs& args) {
  using Sum = acc_t<T>;
  const PoolShape& shape = args.shape;
  const T* in = static_cast<const T*>(args.in);
  for_items(args.items, [&](int64_t i) {
    const PoolPlace place = place_of<true>(shape, i);
    const Range d = Window::inputs(shape.axes[0], place.position[0], shape.narrow);
    const Range h = Window::inputs(shape.axes[1], place.position[1], shape.narrow);
    const Range w = Window::inputs(shape.axes[2], place.position[2], shape.narrow);
    Sum sum = 0;
    bool any = false;
    for (int64_t z = d.first; z < d.last; ++z) {
      for (int64_t y = h.first; y < h.last; ++y) {
        const int64_t row = (z * shape.axes[1].in + y) * shape.axes[2].in;
        for (int64_t x = w.first; x < w.last; ++x) {
          sum += widen(in[place.other_base + (row + x) * place.step]);
          any = true;
        }
      }
    }
    // A window that lies in the padding alone gives zero, whatever its divisor.
    if (any) {
      sum /= static_cast<Sum>(
          divisor_of<Window>(args, place.position[0], place.position[1], place.position[2]));
    }
    static_cast<T*>(args.out)[i] = narrow<T>(sum);
  });
}

template <class T, class Window>
inline void backward(const AvgPoolArgs& args) {
  using Sum = acc_t<T>;
  const PoolShape& shape = args.shape;
  const T* grad = static_cast<const T*>(args.in);
  for_items(args.items, [&](int64_t i) {
    const PoolPlace place = place_of<false>(shape, i);
    const Range d = Window::outputs(shape.axes[0], place.position[0], shape.narrow);
    const Range h = Window::outputs(shape.axes[1], place.position[1], shape.narrow);
    const Range w = Window::outputs(shape.axes[2], place.position[2], shape.narrow);
    Sum sum = 0;
    for (int64_t z = d.first; z < d.last; ++z) {
      for (int64_t y = h.first; y < h.last; ++y) {
        const int64_t row = (z * shape.axes[1].out + y) * shape.axes[2].out;
        for (int64_t x = w.first; x < w.last; ++x) {
          sum += widen(grad[place.other_base + (row + x) * place.step]) /
                 static_cast<Sum>(divisor_of<Window>(args, z, y, x));
        }
      }
    }
    static_cast<T*>(args.out)[i] = narrow<T>(sum);
  });
}

} // namespace

#define XK_AVG_POOL(suffix, T)                                                            \
  XK(avg_pool_##suffix, AvgPoolArgs) { forward<T, FixedWindow>(args); }                   \
  XK(adaptive_avg_pool_##suffix, AvgPoolArgs) { forward<T, AdaptiveWindow>(args); }       \
  XK(avg_pool_backward_##suffix, AvgPoolArgs) { backward<T, FixedWindow>(args); }         \
  XK(adaptive_avg_pool_backward_##suffix, AvgPoolArgs) { backward<T, AdaptiveWindow>(args); }

XK_AVG_POOL(f32, float)
XK_AVG_POOL(f64, double)
XK_AVG_POOL(f16, f16)
XK_AVG_POOL(bf16, bf16)
XK_AVG_POOL(i64, int64_t)
