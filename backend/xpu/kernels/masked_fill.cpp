// One value where a mask of bytes is set: a walk whose src is the mask.

#include "backend/xpu/kernels/index_walk.h"
#include "backend/xpu/kernels/units.h"

namespace xk {

template <class T>
inline void masked_fill(const IndexArgs& a) {
  const T fill = unit_of<T>(a.fill);
  if (!a.rows) {
    walk_elements(a, [&](const Place& p) {
      if (at_bytes<uint8_t>(a.src, p.src)) at_bytes<T>(a.dst, p.dst) = fill;
    });
    return;
  }
  walk_rows(a, [&](const Place& p, int64_t begin, int64_t end, int64_t local, int64_t step) {
    for (int64_t i = begin + local; i < end; i += step)
      if (at_bytes<uint8_t>(a.src, p.src + i * a.src_strides[0]))
        at_bytes<T>(a.dst, p.dst + i * a.dst_strides[0]) = fill;
  });
}

} // namespace xk

XK(masked_fill_1, xk::IndexArgs) { xk::masked_fill<xk::U1>(args); }
XK(masked_fill_2, xk::IndexArgs) { xk::masked_fill<xk::U2>(args); }
XK(masked_fill_4, xk::IndexArgs) { xk::masked_fill<xk::U4>(args); }
XK(masked_fill_8, xk::IndexArgs) { xk::masked_fill<xk::U8>(args); }
XK(masked_fill_16, xk::IndexArgs) { xk::masked_fill<xk::U16>(args); }
