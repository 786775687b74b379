// Combining values at indexed places, column by column: the values of a column in their
// order, by one work-item. Halves are not here: they would be rounded at each step.

#include "backend/xpu/kernels/combine.h"
#include "backend/xpu/kernels/index_walk.h"

namespace xk {

using xpu_lite::xpu::CombineColumnsArgs;
using xpu_lite::xpu::kMaxWalkDims;

template <class T, int Most>
inline void combine_column_by(const CombineColumnsArgs& a) {
  auto it = item();
  const int64_t step = it.get_global_range(0);
  for (int64_t c = it.get_global_id(0); c < a.walk.numel; c += step) {
    Place column;
    place_of<0>(a.walk, c, column);
    for (int64_t l = 0; l < a.loop; ++l) {
      Place p = column;
      int64_t rest = l;
#pragma unroll
      for (int d = 0; d < kMaxWalkDims; ++d) {
        if (d >= a.loop_dims) break;
        const int64_t next = d + 1 == a.loop_dims ? 0 : rest / a.loop_sizes[d];
        const int64_t at = rest - next * a.loop_sizes[d];
        rest = next;
        p.src += at * a.loop_src[d];
        p.index += at * a.loop_index[d];
      }
      int64_t offset;
      if (!index_offset<Most>(a.walk, p, 0, offset)) continue;
      T& to = at_bytes<T>(a.walk.dst, p.dst + offset);
      to = narrow<T>(combined(a.combine, widen(to), widen(at_bytes<T>(a.walk.src, p.src))));
    }
  }
}

template <class T>
inline void combine_columns(const CombineColumnsArgs& a) {
  if (a.walk.indices == 1) combine_column_by<T, 1>(a);
  else combine_column_by<T, kMaxIndices>(a);
}

} // namespace xk

XK(combine_columns_f32, xk::CombineColumnsArgs) { xk::combine_columns<float>(args); }
XK(combine_columns_f64, xk::CombineColumnsArgs) { xk::combine_columns<double>(args); }
XK(combine_columns_i64, xk::CombineColumnsArgs) { xk::combine_columns<int64_t>(args); }
XK(combine_columns_i32, xk::CombineColumnsArgs) { xk::combine_columns<int32_t>(args); }
