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

template <class T, class Window>
inline void forward(const MaxPoolArgs& args) {
  using V = acc_t<T>;
  const PoolShape& shape = args.shape;
  const T* in = static_cast<const T*>(args.in);
  for_items(args.items, [&](int64_t i) {
    const PoolPlace place = place_of<true>(shape, i);
    const Range d = Window::inputs(shape.axes[0], place.position[0], shape.narrow);
    const Range h = Window::inputs(shape.axes[1], place.position[1], shape.narrow);
    const Range w = Window::inputs(shape.axes[2], place.position[2], shape.narrow);
    const int64_t height = shape.axes[1].in, width = shape.axes[2].in;
    V best;
    if constexpr (std::is_integral_v<V>) {
      best = std::numeric_limits<V>::lowest();
    } else {
      best = -std::numeric_limits<V>::infinity();
    }
    int64_t index = (d.first * height + h.first) * width + w.first;
    for (int64_t z = d.first; z < d.last; z += d.step) {
      for (int64_t y = h.first; y < h.last; y += h.step) {
        const int64_t row = (z * height + y) * width;
        for (int64_t x = w.first; x < w.last; x += w.step) {
          const V value = widen(in[place.other_base + (row + x) * place.step]);
          if (exceeds(value, best)) best = value, index = row + x;
        }
      }
    }
    static_cast<T*>(args.out)[i] = narrow<T>(best);
    args.indices[i] = index;
  });
}

template <class T, class Window>
inline void backward(const MaxPoolArgs& args) {
  const PoolShape& shape = args.shape;
  const T* grad = static_cast<const T*>(args.in);
  for_items(args.items, [&](int64_t i) {
    const PoolPlace place = place_of<false>(shape, i);
    const Range d = Window::outputs(shape.axes[0], place.position[0], shape.narrow);
    const Range h = Window::outputs(shape.axes[1], place.position[1], shape.narrow);
    const Range w = Window::outputs(shape.axes[2], place.position[2], shape.narrow);
    const int64_t mine =
        (place.position[0] * shape.axes[1].in + place.position[1]) * shape.axes[2].in +
        place.position[2];
    acc_t<T> sum = 0;
    for (int64_t z = d.first; z < d.last; ++z) {
      for (int64_t y = h.first; y < h.last; ++y) {
        const int64_t row = (z * shape.axes[1].out + y) * shape.axes[2].out;
        for (int64_t x = w.first; x < w.last; ++x) {
          const int64_t at = place.other_base + (row + x) * place.step;
          if (args.indices[at] == mine) sum += widen(grad[at]);
        }
      }
    }
    static_cast<T*>(args.out)[i] = narrow<T>(sum);
  });
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
