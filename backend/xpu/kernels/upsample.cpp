// Resampling and its backward, from the tables of upsample_table.cpp. The backward
// gathers: the outputs that reach an input are neighbours, found by bisection.

#include "backend/xpu/kernels/pool_window.h"
#include "backend/xpu/kernels/upsample_args.h"

using namespace xk;
using namespace xpu_lite::xpu;

namespace {

struct Taps {
  int64_t first, count;
};

template <class Real>
inline Taps taps_of(const ResampleAxis<Real>& axis, int64_t o) {
  const int64_t first = axis.first[o], left = axis.in - first;
  return {first, axis.taps < left ? axis.taps : left};
}

// The first output whose `first` is above `i`.
template <class Real>
inline int64_t bound(const ResampleAxis<Real>& axis, int64_t i) {
  int64_t low = 0, high = axis.out;
  while (low < high) {
    const int64_t middle = (low + high) >> 1;
    if (axis.first[middle] > i) high = middle;
    else low = middle + 1;
  }
  return low;
}

template <class T>
inline void nearest(const ResampleArgs<float>& args) {
  const T* in = static_cast<const T*>(args.in);
  for_item<int64_t>(args.items, [&](int64_t i) {
    const PoolPlace<int64_t> place = place_of<true>(args.shape, i);
    const int64_t z = args.axes[0].first[place.z];
    const int64_t y = args.axes[1].first[place.y];
    const int64_t x = args.axes[2].first[place.x];
    static_cast<T*>(args.out)[i] =
        in[place.other_base + ((z * args.axes[1].in + y) * args.axes[2].in + x) * place.step];
  });
}

template <class T>
inline void forward(const ResampleArgs<acc_t<T>>& args) {
  using A = acc_t<T>;
  const T* in = static_cast<const T*>(args.in);
  for_item<int64_t>(args.items, [&](int64_t i) {
    const PoolPlace<int64_t> place = place_of<true>(args.shape, i);
    const Taps z = taps_of(args.axes[0], place.z);
    const Taps y = taps_of(args.axes[1], place.y);
    const Taps x = taps_of(args.axes[2], place.x);
    const A* wz = args.axes[0].weights + place.z * args.axes[0].taps;
    const A* wy = args.axes[1].weights + place.y * args.axes[1].taps;
    const A* wx = args.axes[2].weights + place.x * args.axes[2].taps;
    A sum = 0;
    for (int64_t a = 0; a < z.count; ++a) {
      A plane = 0;
      for (int64_t b = 0; b < y.count; ++b) {
        const int64_t row =
            ((z.first + a) * args.axes[1].in + y.first + b) * args.axes[2].in + x.first;
        A line = 0;
        for (int64_t c = 0; c < x.count; ++c) {
          line += wx[c] * widen(in[place.other_base + (row + c) * place.step]);
        }
        plane += wy[b] * line;
      }
      sum += wz[a] * plane;
    }
    static_cast<T*>(args.out)[i] = narrow<T>(sum);
  });
}

template <class T>
inline void backward(const ResampleArgs<acc_t<T>>& args) {
  using A = acc_t<T>;
  const T* grad = static_cast<const T*>(args.in);
  for_item<int64_t>(args.items, [&](int64_t i) {
    const PoolPlace<int64_t> place = place_of<false>(args.shape, i);
    const ResampleAxis<A>&z = args.axes[0], &y = args.axes[1], &x = args.axes[2];
    const int64_t pz = place.z, py = place.y, px = place.x;
    const int64_t z0 = bound(z, pz - z.taps), z1 = bound(z, pz);
    const int64_t y0 = bound(y, py - y.taps), y1 = bound(y, py);
    const int64_t x0 = bound(x, px - x.taps), x1 = bound(x, px);
    A sum = 0;
    for (int64_t a = z0; a < z1; ++a) {
      A plane = 0;
      for (int64_t b = y0; b < y1; ++b) {
        const int64_t row = (a * y.out + b) * x.out;
        A line = 0;
        for (int64_t c = x0; c < x1; ++c) {
          line += x.weights[c * x.taps + px - x.first[c]] *
                  widen(grad[place.other_base + (row + c) * place.step]);
        }
        plane += y.weights[b * y.taps + py - y.first[b]] * line;
      }
      sum += z.weights[a * z.taps + pz - z.first[a]] * plane;
    }
    static_cast<T*>(args.out)[i] = narrow<T>(sum);
  });
}

} // namespace

XK(upsample_nearest_u8, ResampleArgs<float>) { nearest<uint8_t>(args); }
XK(upsample_nearest_u16, ResampleArgs<float>) { nearest<uint16_t>(args); }
XK(upsample_nearest_u32, ResampleArgs<float>) { nearest<uint32_t>(args); }
XK(upsample_nearest_u64, ResampleArgs<float>) { nearest<uint64_t>(args); }

#define XK_UPSAMPLE(suffix, T)                                                        \
  XK(upsample_forward_##suffix, ResampleArgs<acc_t<T>>) { forward<T>(args); }         \
  XK(upsample_backward_##suffix, ResampleArgs<acc_t<T>>) { backward<T>(args); }
XK_UPSAMPLE(f32, float)
XK_UPSAMPLE(f64, double)
XK_UPSAMPLE(f16, f16)
XK_UPSAMPLE(bf16, bf16)
