// Reading elements at places named by indices; without an index, a strided copy.

#include "backend/xpu/kernels/index_walk.h"
#include "backend/xpu/kernels/units.h"

namespace xk {

template <class T>
inline void copy_row(const IndexArgs& a, const Lanes& lanes, char* dst, const char* src,
                     int64_t first, int64_t n) {
  const int64_t ds = a.dst_strides[0], ss = a.src_strides[0];
  if (ds == sizeof(T) && ss == sizeof(T)) {
    T* to = reinterpret_cast<T*>(dst) + first;
    const T* from = reinterpret_cast<const T*>(src) + first;
    lanes.each(n, [&](int64_t i) { to[i] = from[i]; });
  } else {
    lanes.each(n, [&](int64_t i) {
      at_bytes<T>(dst, (first + i) * ds) = at_bytes<T>(src, (first + i) * ss);
    });
  }
}

template <class T, int Most>
inline void index_get_by(const IndexArgs& a) {
  if (!a.rows) {
    walk_elements(a, [&](const Place& p) {
      int64_t offset;
      if (index_offset<Most>(a, p, 0, offset))
        at_bytes<T>(a.dst, p.dst) = at_bytes<T>(a.src, p.src + offset);
    });
    return;
  }
  walk_rows(a, [&](const Lanes& lanes, const Place& p, int64_t first, int64_t n) {
    if (a.row_index) {
      int64_t offset = 0;
      const int32_t good = index_offset<Most>(a, p, 0, offset);
      if (lanes.same(good))
        copy_row<T>(a, lanes, a.dst + p.dst, a.src + lanes.same(p.src + offset), first, n);
      return;
    }
    lanes.each(n, [&](int64_t k) {
      const int64_t i = first + k;
      int64_t offset;
      if (index_offset<Most>(a, p, i, offset))
        at_bytes<T>(a.dst, p.dst + i * a.dst_strides[0]) =
            at_bytes<T>(a.src, p.src + offset + i * a.src_strides[0]);
    });
  });
}

template <class T>
inline void index_get(const IndexArgs& a) {
  by_indices(a, [&](auto most) { index_get_by<T, decltype(most)::value>(a); });
}

} // namespace xk

XK(index_get_1, xk::IndexArgs) { xk::index_get<xk::U1>(args); }
XK(index_get_2, xk::IndexArgs) { xk::index_get<xk::U2>(args); }
XK(index_get_4, xk::IndexArgs) { xk::index_get<xk::U4>(args); }
XK(index_get_8, xk::IndexArgs) { xk::index_get<xk::U8>(args); }
XK(index_get_16, xk::IndexArgs) { xk::index_get<xk::U16>(args); }
