// Max pooling with indices, and its backward.

#include <limits>

#include "backend/xpu/kernels/pool_window.h"

using namespace xk;
using namespace xpu_lite::xpu;

namespace {

template <class T>
inline bool exceeds(T value, T best) {
  if constexpr (std::is_integral_v<T>) {
    return value > best;
  } else {
    return value > best || value != value; // NaN wins
  }
}

template <class T, class Window, class I>
inline void forward_as(const MaxPoolArgs& args) {
  using V = acc_t<T>;
  const PoolShape& shape = args.shape;
  const T* in = static_cast<const T*>(args.in);
  for_item<I>(args.items, [&](I i) {
    const PoolPlace<I> place = place_of<true>(shape, i);
    const Range<I> d = Window::inputs(shape.axes[0], place.z);
    const Range<I> h = Window::inputs(shape.axes[1], place.y);
    const Range<I> w = Window::inputs(shape.axes[2], place.x);
    const I height = static_cast<I>(shape.axes[1].in), width = static_cast<I>(shape.axes[2].in);
    V best;
    if constexpr (std::is_integral_v<V>) {
      best = std::numeric_limits<V>::lowest();
    } else {
      best = -std::numeric_limits<V>::infinity();
    }
    I index = (d.first * height + h.first) * width + w.first;
    each_position<true>(d, h, w, height, width, [&](I at) {
      const V value = widen(in[place.other_base + at * place.step]);
      const bool more = exceeds(value, best);
      best = more ? value : best;
      index = more ? at : index;
    });
    static_cast<T*>(args.out)[i] = narrow<T>(best);
    args.indices[i] = index;
  });
}

template <class T, class Window, class I>
inline void backward_as(const MaxPoolArgs& args) {
  const PoolShape& shape = args.shape;
  const T* grad = static_cast<const T*>(args.in);
  for_item<I>(args.items, [&](I i) {
    const PoolPlace<I> place = place_of<false>(shape, i);
    const Range<I> d = Window::outputs(shape.axes[0], place.z);
    const Range<I> h = Window::outputs(shape.axes[1], place.y);
    const Range<I> w = Window::outputs(shape.axes[2], place.x);
    const I mine = (place.z * static_cast<I>(shape.axes[1].in) + place.y) *
                       static_cast<I>(shape.axes[2].in) + place.x;
    const I height = static_cast<I>(shape.axes[1].out), width = static_cast<I>(shape.axes[2].out);
    acc_t<T> sum = 0;
    each_position<false>(d, h, w, height, width, [&](I position) {
      const I at = place.other_base + position * place.step;
      const acc_t<T> g = widen(grad[at]);
      sum += args.indices[at] == mine ? g : acc_t<T>(0);
    });
    static_cast<T*>(args.out)[i] = narrow<T>(sum);
  });
}

template <class T, class Window>
inline void forward(const MaxPoolArgs& args) {
  args.shape.narrow ? forward_as<T, Window, int32_t>(args) : forward_as<T, Window, int64_t>(args);
}
template <class T, class Window>
inline void backward(const MaxPoolArgs& args) {
  args.shape.narrow ? backward_as<T, Window, int32_t>(args)
                    : backward_as<T, Window, int64_t>(args);
}

} // namespace

#define XK_MAX_POOL(suffix, T)                                                            \
  XK(max_pool_##suffix, MaxPoolArgs) { forward<T, FixedWindow>(args); }                   \
  XK(adaptive_max_pool_##suffix, MaxPoolArgs) { forward<T, AdaptiveWindow>(args); }
#define XK_MAX_POOL_BACKWARD(suffix, T)                                                   \
  XK(max_pool_backward_##suffix, MaxPoolArgs) { backward<T, FixedWindow>(args); }         \
  XK(adaptive_max_pool_backward_##suffix, MaxPoolArgs) { backward<T, AdaptiveWindow>(args); }

XK_MAX_POOL(f32, float)
XK_MAX_POOL(f64, double)
XK_MAX_POOL(f16, f16)
XK_MAX_POOL(bf16, bf16)
XK_MAX_POOL(i64, int64_t)
XK_MAX_POOL(i32, int32_t)
XK_MAX_POOL(i16, int16_t)
XK_MAX_POOL(i8, int8_t)
XK_MAX_POOL(u8, uint8_t)
XK_MAX_POOL_BACKWARD(f32, float)
XK_MAX_POOL_BACKWARD(f64, double)
XK_MAX_POOL_BACKWARD(f16, f16)
XK_MAX_POOL_BACKWARD(bf16, bf16)
