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

template <class T, class Key, Combine how>
inline void apply_run(const SortedApplyArgs& a, const Key* keys, int64_t first, Key key,
                      int64_t dst_column, int64_t src_column) {
  T* to = reinterpret_cast<T*>(a.dst + static_cast<int64_t>(key) + dst_column);
  auto sum = widen(*to);
  for (int64_t t = first; t < a.positions && keys[t] == key; ++t) {
    const char* from = a.src + position_offset(a, a.places[t]) + src_column;
    sum = combined<how>(sum, widen(*reinterpret_cast<const T*>(from)));
  }
  *to = narrow<T>(sum);
}

template <class T, class Key, Combine how>
inline void apply(const SortedApplyArgs& a) {
  const Key* keys = static_cast<const Key*>(a.keys);
  const Key bad = static_cast<Key>(~Key{0});
  auto it = item();
  if (a.rows) {
    const int64_t local = it.get_local_id(0), group = it.get_local_range(0);
    for (int64_t s = it.get_group(0); s < a.positions; s += it.get_group_range(0)) {
      const Key key = keys[s];
      if (key == bad || (s && keys[s - 1] == key)) continue;
      for (int64_t c = local; c < a.columns; c += group) {
        int64_t src = 0;
        const int64_t dst = column_offsets(a, c, src);
        apply_run<T, Key, how>(a, keys, s, key, dst, src);
      }
    }
    return;
  }
  const int64_t step = it.get_global_range(0), total = a.positions * a.columns;
  for (int64_t i = it.get_global_id(0); i < total; i += step) {
    const int64_t s = a.columns == 1 ? i : i / a.columns;
    const Key key = keys[s];
    if (key == bad || (s && keys[s - 1] == key)) continue;
    int64_t src = 0;
    const int64_t dst = column_offsets(a, i - s * a.columns, src);
    apply_run<T, Key, how>(a, keys, s, key, dst, src);
  }
}

template <class T, class Key>
inline void apply_by(const SortedApplyArgs& a) {
  switch (a.combine) {
    case Combine::Add: return apply<T, Key, Combine::Add>(a);
    case Combine::Multiply: return apply<T, Key, Combine::Multiply>(a);
    case Combine::Min: return apply<T, Key, Combine::Min>(a);
    case Combine::Max: return apply<T, Key, Combine::Max>(a);
    case Combine::Assign: return apply<T, Key, Combine::Assign>(a);
  }
}

template <class T>
inline void sorted_apply(const SortedApplyArgs& a) {
  if (a.wide) apply_by<T, uint64_t>(a);
  else apply_by<T, uint32_t>(a);
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
