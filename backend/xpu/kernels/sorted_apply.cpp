// Combining values into the places that sorted keys name: deterministic additions of
// index_add, scatter_add, index_put, embedding's gradient and their like.

#include "backend/xpu/kernels/combine.h"

namespace xk {

using xpu_lite::xpu::kMaxWalkDims;
using xpu_lite::xpu::SortedApplyArgs;

inline int64_t column_offsets(const SortedApplyArgs& a, int64_t c, int64_t& src) {
  int64_t dst = 0;
#pragma unroll
  for (int d = 0; d < kMaxWalkDims; ++d) {
    if (d >= a.column_dims) break;
    const int64_t next = d + 1 == a.column_dims ? 0 : c / a.column_sizes[d];
    const int64_t at = c - next * a.column_sizes[d];
    c = next;
    dst += at * a.column_dst[d];
    src += at * a.column_src[d];
  }
  return dst;
}

inline int64_t position_offset(const SortedApplyArgs& a, int64_t p) {
  int64_t src = 0;
#pragma unroll
  for (int d = 0; d < kMaxWalkDims; ++d) {
    if (d >= a.position_dims) break;
    const int64_t next = d + 1 == a.position_dims ? 0 : p / a.position_sizes[d];
    src += (p - next * a.position_sizes[d]) * a.position_src[d];
    p = next;
  }
  return src;
}

// The keys, of 32 or of 64 bits: all bits set, a place that does not exist.
struct Keys {
  const void* data;
  bool wide;

  uint64_t operator[](int64_t i) const {
    if (wide) return static_cast<const uint64_t*>(data)[i];
    const uint32_t key = static_cast<const uint32_t*>(data)[i];
    return key == ~uint32_t{0} ? ~uint64_t{0} : key;
  }
};

template <class T>
inline void apply_run(const SortedApplyArgs& a, const Keys& keys, int64_t first, uint64_t key,
                      int64_t c) {
  int64_t src_column = 0;
  const int64_t dst_column = column_offsets(a, c, src_column);
  T* to = reinterpret_cast<T*>(a.dst + static_cast<int64_t>(key) + dst_column);
  auto sum = widen(*to);
  for (int64_t t = first; t < a.positions && keys[t] == key; ++t) {
    const char* from = a.src + position_offset(a, a.places[t]) + src_column;
    sum = combined(a.combine, sum, widen(*reinterpret_cast<const T*>(from)));
  }
  *to = narrow<T>(sum);
}

// By rows, a group takes a position and its work-items the columns; else a work-item takes
// one of positions x columns. Both are the same loops, so that the work is there once.
template <class T>
inline void sorted_apply(const SortedApplyArgs& a) {
  const Keys keys{a.keys, a.wide != 0};
  auto it = item();
  const bool rows = a.rows != 0;
  const int64_t first = rows ? it.get_group(0) : it.get_global_id(0);
  const int64_t step = rows ? it.get_group_range(0) : it.get_global_range(0);
  const int64_t total = rows ? a.positions : a.positions * a.columns;
  const int64_t columns_step = rows ? it.get_local_range(0) : a.columns;
  for (int64_t i = first; i < total; i += step) {
    const int64_t s = rows || a.columns == 1 ? i : i / a.columns;
    const uint64_t key = keys[s];
    if (key == ~uint64_t{0} || (s && keys[s - 1] == key)) continue;
    int64_t c = rows ? static_cast<int64_t>(it.get_local_id(0)) : i - s * a.columns;
    for (; c < a.columns; c += columns_step) apply_run<T>(a, keys, s, key, c);
  }
}

} // namespace xk

XK(sorted_apply_f32, xk::SortedApplyArgs) { xk::sorted_apply<float>(args); }
XK(sorted_apply_f64, xk::SortedApplyArgs) { xk::sorted_apply<double>(args); }
XK(sorted_apply_f16, xk::SortedApplyArgs) { xk::sorted_apply<xk::f16>(args); }
XK(sorted_apply_bf16, xk::SortedApplyArgs) { xk::sorted_apply<xk::bf16>(args); }
XK(sorted_apply_i64, xk::SortedApplyArgs) { xk::sorted_apply<int64_t>(args); }
XK(sorted_apply_i32, xk::SortedApplyArgs) { xk::sorted_apply<int32_t>(args); }
XK(sorted_apply_i16, xk::SortedApplyArgs) { xk::sorted_apply<int16_t>(args); }
XK(sorted_apply_i8, xk::SortedApplyArgs) { xk::sorted_apply<int8_t>(args); }
XK(sorted_apply_u8, xk::SortedApplyArgs) { xk::sorted_apply<uint8_t>(args); }
XK(sorted_apply_b8, xk::SortedApplyArgs) { xk::sorted_apply<xk::b8>(args); }
XK(sorted_apply_c64, xk::SortedApplyArgs) { xk::sorted_apply<xk::c64>(args); }
XK(sorted_apply_c128, xk::SortedApplyArgs) { xk::sorted_apply<xk::c128>(args); }
