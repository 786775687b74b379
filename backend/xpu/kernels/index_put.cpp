// Writing elements, or one value, to places named by indices. Where an index occurs
// twice, any of its values may stay; sorted_apply.cpp is for those who care.

#include "backend/xpu/kernels/index_walk.h"
#include "backend/xpu/kernels/units.h"

namespace xk {

template <class T, int Most>
inline void index_put_by(const IndexArgs& a) {
  const T fill = unit_of<T>(a.fill);
  auto put = [&](const Place& p, int64_t i, int64_t offset) {
    at_bytes<T>(a.dst, p.dst + offset + i * a.dst_strides[0]) =
        a.has_src ? at_bytes<T>(a.src, p.src + i * a.src_strides[0]) : fill;
  };
  if (!a.rows) {
    walk_elements(a, [&](const Place& p) {
      int64_t offset;
      if (index_offset<Most>(a, p, 0, offset)) put(p, 0, offset);
    });
    return;
  }
  walk_rows(a, [&](const Lanes& lanes, const Place& p, int64_t first, int64_t n) {
    int64_t offset = 0;
    if (!a.row_index) {
      lanes.each(n, [&](int64_t i) {
        if (index_offset<Most>(a, p, first + i, offset)) put(p, first + i, offset);
      });
      return;
    }
    const int32_t good = index_offset<Most>(a, p, 0, offset);
    if (!lanes.same(good)) return;
    offset = lanes.same(offset);
    if (a.dst_strides[0] != sizeof(T) || (a.has_src && a.src_strides[0] != sizeof(T))) {
      lanes.each(n, [&](int64_t i) { put(p, first + i, offset); });
      return;
    }
    T* to = reinterpret_cast<T*>(a.dst + p.dst + offset) + first;
    const T* from = reinterpret_cast<const T*>(a.src + p.src) + first;
    if (a.has_src) lanes.each(n, [&](int64_t i) { to[i] = from[i]; });
    else lanes.each(n, [&](int64_t i) { to[i] = fill; });
  });
}

template <class T>
inline void index_put(const IndexArgs& a) {
  if (a.indices == 1) index_put_by<T, 1>(a);
  else index_put_by<T, kMaxIndices>(a);
}

} // namespace xk

XK(index_put_1, xk::IndexArgs) { xk::index_put<xk::U1>(args); }
XK(index_put_2, xk::IndexArgs) { xk::index_put<xk::U2>(args); }
XK(index_put_4, xk::IndexArgs) { xk::index_put<xk::U4>(args); }
XK(index_put_8, xk::IndexArgs) { xk::index_put<xk::U8>(args); }
XK(index_put_16, xk::IndexArgs) { xk::index_put<xk::U16>(args); }
