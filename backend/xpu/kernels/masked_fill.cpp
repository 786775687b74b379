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
  const int64_t ds = a.dst_strides[0], ss = a.src_strides[0];
  walk_rows(a, [&](const Lanes& lanes, const Place& p, int64_t first, int64_t n) {
    char* dst = a.dst + p.dst + first * ds;
    const char* mask = a.src + p.src + first * ss;
    if (ds == sizeof(T) && ss == 1) {
      T* to = reinterpret_cast<T*>(dst);
      lanes.each(n, [&](int64_t i) {
        if (mask[i]) to[i] = fill;
      });
    } else {
      lanes.each(n, [&](int64_t i) {
        if (mask[i * ss]) at_bytes<T>(dst, i * ds) = fill;
      });
    }
  });
}

} // namespace xk

XK(masked_fill_1, xk::IndexArgs) { xk::masked_fill<xk::U1>(args); }
XK(masked_fill_2, xk::IndexArgs) { xk::masked_fill<xk::U2>(args); }
XK(masked_fill_4, xk::IndexArgs) { xk::masked_fill<xk::U4>(args); }
XK(masked_fill_8, xk::IndexArgs) { xk::masked_fill<xk::U8>(args); }
XK(masked_fill_16, xk::IndexArgs) { xk::masked_fill<xk::U16>(args); }
