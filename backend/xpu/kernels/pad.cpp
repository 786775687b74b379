// Reflection and replication padding: forward reads each element where it comes from;
// backward gathers, for each input element, all that was made of it, in one order.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/pad_args.h"
#include "backend/xpu/kernels/units.h"

namespace xk {

using xpu_lite::xpu::PadArgs;

struct Extent {
  int64_t in, out, before;
};

// The input coordinate of output coordinate `o`.
inline int64_t pad_source(bool reflect, Extent e, int64_t o) {
  int64_t i = o - e.before;
  if (!reflect) return i < 0 ? 0 : i >= e.in ? e.in - 1 : i;
  if (i < 0) i = -i;
  return i >= e.in ? 2 * (e.in - 1) - i : i;
}

template <class T>
inline void pad(const PadArgs& a) {
  auto it = item();
  const T* in = static_cast<const T*>(a.in);
  T* out = static_cast<T*>(a.out);
  const Extent z{a.in_sizes[0], a.out_sizes[0], a.before[0]};
  const Extent y{a.in_sizes[1], a.out_sizes[1], a.before[1]};
  const Extent x{a.in_sizes[2], a.out_sizes[2], a.before[2]};
  const int64_t total = a.planes * z.out * y.out * x.out, step = it.get_global_range(0);
  for (int64_t k = it.get_global_id(0); k < total; k += step) {
    const int64_t row = k / x.out, ox = k - row * x.out;
    const int64_t slice = row / y.out, oy = row - slice * y.out;
    const int64_t plane = slice / z.out, oz = slice - plane * z.out;
    const int64_t iz = pad_source(a.reflect, z, oz), iy = pad_source(a.reflect, y, oy);
    const int64_t ix = pad_source(a.reflect, x, ox);
    out[k] = in[((plane * z.in + iz) * y.in + iy) * x.in + ix];
  }
}

// The output coordinates made of input coordinate `i`: for replication a range, for
// reflection up to three single ones.
struct Sources {
  int64_t at[3];
  int64_t count;
  int64_t operator[](int64_t k) const {
    return k < 3 ? (k == 0 ? at[0] : k == 1 ? at[1] : at[2]) : at[2] + k - 2;
  }
};

inline Sources pad_targets(bool reflect, Extent e, int64_t i) {
  Sources s{{0, 0, 0}, 0};
  if (!reflect) {
    int64_t first = i + e.before, last = first;
    if (i == 0) first = 0;
    if (i == e.in - 1) last = e.out - 1;
    first = first < 0 ? 0 : first;
    last = last >= e.out ? e.out - 1 : last;
    s.at[0] = first, s.at[1] = first + 1, s.at[2] = first + 2;
    s.count = last < first ? 0 : last - first + 1;
    return s;
  }
  const int64_t places[3] = {i + e.before, e.before - i, e.before + 2 * (e.in - 1) - i};
  int64_t count = 0;
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    const int64_t o = places[k];
    // The mirrored ones are not the element itself, and must mirror to it.
    const bool good = o >= 0 && o < e.out && pad_source(true, e, o) == i &&
                      (k == 0 || o != places[0]) && (k < 2 || o != places[1]);
    if (good) {
      if (count == 0) s.at[0] = o;
      else if (count == 1) s.at[1] = o;
      else s.at[2] = o;
      ++count;
    }
  }
  s.count = count;
  return s;
}

template <class T>
inline void pad_backward(const PadArgs& a) {
  auto it = item();
  const T* grad = static_cast<const T*>(a.in); // of the padded tensor
  T* out = static_cast<T*>(a.out);
  const Extent z{a.in_sizes[0], a.out_sizes[0], a.before[0]};
  const Extent y{a.in_sizes[1], a.out_sizes[1], a.before[1]};
  const Extent x{a.in_sizes[2], a.out_sizes[2], a.before[2]};
  const int64_t total = a.planes * z.in * y.in * x.in, step = it.get_global_range(0);
  for (int64_t k = it.get_global_id(0); k < total; k += step) {
    const int64_t row = k / x.in, slice = row / y.in, plane = slice / z.in;
    const Sources xs = pad_targets(a.reflect, x, k - row * x.in);
    const Sources ys = pad_targets(a.reflect, y, row - slice * y.in);
    const Sources zs = pad_targets(a.reflect, z, slice - plane * z.in);
    acc_t<T> sum{};
    for (int64_t cz = 0; cz < zs.count; ++cz)
      for (int64_t cy = 0; cy < ys.count; ++cy)
        for (int64_t cx = 0; cx < xs.count; ++cx)
          sum = sum + widen(grad[((plane * z.out + zs[cz]) * y.out + ys[cy]) * x.out + xs[cx]]);
    out[k] = narrow<T>(sum);
  }
}

} // namespace xk

XK(pad_1, xk::PadArgs) { xk::pad<xk::U1>(args); }
XK(pad_2, xk::PadArgs) { xk::pad<xk::U2>(args); }
XK(pad_4, xk::PadArgs) { xk::pad<xk::U4>(args); }
XK(pad_8, xk::PadArgs) { xk::pad<xk::U8>(args); }
XK(pad_16, xk::PadArgs) { xk::pad<xk::U16>(args); }
XK(pad_backward_f32, xk::PadArgs) { xk::pad_backward<float>(args); }
XK(pad_backward_f64, xk::PadArgs) { xk::pad_backward<double>(args); }
XK(pad_backward_f16, xk::PadArgs) { xk::pad_backward<xk::f16>(args); }
XK(pad_backward_bf16, xk::PadArgs) { xk::pad_backward<xk::bf16>(args); }
XK(pad_backward_c64, xk::PadArgs) { xk::pad_backward<xk::c64>(args); }
XK(pad_backward_c128, xk::PadArgs) { xk::pad_backward<xk::c128>(args); }
