// Average pooling and its backward.

#include "backend/xpu/kernels/pool_window.h"

using namespace xk;
using namespace xpu_lite::xpu;

namespace {

// The elements that the window of output `o` counts on one axis: with padding, if
// that counts, or without.
template <class I>
inline I counted(const PoolAxis& axis, I o, bool padding) {
  const I in = static_cast<I>(axis.in), pad = static_cast<I>(axis.padding);
  const I start = o * static_cast<I>(axis.stride) - pad;
  const I end = start + static_cast<I>(axis.kernel);
  if (padding) return (end < in + pad ? end : in + pad) - start;
  return (end < in ? end : in) - (start > 0 ? start : 0);
}

template <class Window, class I>
inline I divisor_of(const AvgPoolArgs& args, I z, I y, I x) {
  const PoolShape& shape = args.shape;
  if constexpr (std::is_same_v<Window, FixedWindow>) {
    if (args.divisor != 0) return static_cast<I>(args.divisor);
    const bool padding = args.count_padding;
    return counted(shape.axes[0], z, padding) * counted(shape.axes[1], y, padding) *
           counted(shape.axes[2], x, padding);
  } else {
    const Range<I> d = Window::inputs(shape.axes[0], z), h = Window::inputs(shape.axes[1], y),
                   w = Window::inputs(shape.axes[2], x);
    return (d.last - d.first) * (h.last - h.first) * (w.last - w.first);
  }
}

template <class T, class Window, class I>
inline void forward_as(const AvgPoolArgs& args) {
  using Sum = acc_t<T>;
  const PoolShape& shape = args.shape;
  const T* in = static_cast<const T*>(args.in);
  for_item<I>(args.items, [&](I i) {
    const PoolPlace<I> place = place_of<true>(shape, i);
    const Range<I> d = Window::inputs(shape.axes[0], place.z);
    const Range<I> h = Window::inputs(shape.axes[1], place.y);
    const Range<I> w = Window::inputs(shape.axes[2], place.x);
    const I height = static_cast<I>(shape.axes[1].in), width = static_cast<I>(shape.axes[2].in);
    Sum sum = 0;
    each_position<false>(d, h, w, height, width, [&](I at) {
      sum += widen(in[place.other_base + at * place.step]);
    });
    // A window that lies in the padding alone gives zero, whatever its divisor.
    const bool any = d.first < d.last && h.first < h.last && w.first < w.last;
    const I divisor = any ? divisor_of<Window>(args, place.z, place.y, place.x) : I(1);
    static_cast<T*>(args.out)[i] = narrow<T>(sum / static_cast<Sum>(divisor));
  });
}

template <class T, class Window, class I>
inline void backward_as(const AvgPoolArgs& args) {
  using Sum = acc_t<T>;
  const PoolShape& shape = args.shape;
  const T* grad = static_cast<const T*>(args.in);
  for_item<I>(args.items, [&](I i) {
    const PoolPlace<I> place = place_of<false>(shape, i);
    const Range<I> d = Window::outputs(shape.axes[0], place.z);
    const Range<I> h = Window::outputs(shape.axes[1], place.y);
    const Range<I> w = Window::outputs(shape.axes[2], place.x);
    const I height = static_cast<I>(shape.axes[1].out), width = static_cast<I>(shape.axes[2].out);
    Sum sum = 0;
    for (I z = d.first; z < d.last; ++z) {
      for (I y = h.first; y < h.last; ++y) {
        const I row = (z * height + y) * width;
        for (I x = w.first; x < w.last; ++x) {
          sum += widen(grad[place.other_base + (row + x) * place.step]) /
                 static_cast<Sum>(divisor_of<Window>(args, z, y, x));
        }
      }
    }
    static_cast<T*>(args.out)[i] = narrow<T>(sum);
  });
}

template <class T, class Window>
inline void forward(const AvgPoolArgs& args) {
  args.shape.narrow ? forward_as<T, Window, int32_t>(args) : forward_as<T, Window, int64_t>(args);
}
template <class T, class Window>
inline void backward(const AvgPoolArgs& args) {
  args.shape.narrow ? backward_as<T, Window, int32_t>(args)
                    : backward_as<T, Window, int64_t>(args);
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
