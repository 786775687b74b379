// The common cases of indexing, one element to a work-item as in Note [Elementwise kernels]:
// rows that one index names (index_select, embedding, index_copy), and elements of rows that
// an index of the same shape names (gather).

#include "backend/xpu/kernels/elementwise.h"
#include "backend/xpu/kernels/fault.h"
#include "backend/xpu/kernels/index_args.h"

namespace {

using xpu_lite::xpu::IndexRowsArgs;

template <int D>
inline void outer_offsets(const IndexRowsArgs& a, uint32_t row, int64_t& dst, int64_t& src,
                          int64_t& index) {
  if constexpr (D < xpu_lite::xpu::kIndexOuterDims) {
    if (D >= int(a.dims)) return;
    const uint32_t q = xk::divide(row, a.dim[D]);
    const int64_t r = row - q * a.dim[D].size;
    dst += r * a.dst_stride[D];
    src += r * a.src_stride[D];
    index += r * a.index_stride[D];
    outer_offsets<D + 1>(a, q, dst, src, index);
  }
}

inline bool index_at(const IndexRowsArgs& a, const char* where, int64_t& i) {
  i = a.narrow ? static_cast<int64_t>(*reinterpret_cast<const int32_t*>(where))
               : *reinterpret_cast<const int64_t*>(where);
  return a.wrap ? xk::wrap_index(i, a.size, a.error_dim, a.error, a.op, a.fault)
                : xk::check_index(i, a.size, a.error_dim, a.error, a.op, a.fault);
}

enum class Move { kGetRow, kPutRow, kGather };

template <class T, Move move>
inline void index_rows(const IndexRowsArgs& a) {
  const auto it = xk::item();
  const uint32_t group = it.get_group_linear_id(), row = xk::divide(group, a.chunks);
  const uint32_t chunk = group - row * a.chunks.size;
  int64_t dst = 0, src = 0, index = 0;
  outer_offsets<0>(a, row, dst, src, index);
  const size_t i = size_t(chunk) * it.get_local_range(0) + it.get_local_id(0);
  int64_t place;
  if constexpr (move == Move::kGather) {
    if (i >= a.items) return;
    if (!index_at(a, a.index + index + i * a.index_inner, place)) return;
    reinterpret_cast<T*>(a.dst + dst)[i] =
        *reinterpret_cast<const T*>(a.src + src + place * a.step + i * a.src_inner);
  } else {
    const bool inside = index_at(a, a.index + index, place);
    // The same for all lanes: where that is known, addresses are not gathered.
    (move == Move::kPutRow ? dst : src) +=
        sycl::group_broadcast(it.get_sub_group(), place) * a.step;
    if (!inside || i >= a.items) return;
    reinterpret_cast<T*>(a.dst + dst)[i] = reinterpret_cast<const T*>(a.src + src)[i];
  }
}

} // namespace

#define XK_INDEX_ROWS(size, T)                                                         \
  XK(index_get_row_##size, IndexRowsArgs) { index_rows<T, Move::kGetRow>(args); }      \
  XK(index_put_row_##size, IndexRowsArgs) { index_rows<T, Move::kPutRow>(args); }      \
  XK(index_gather_##size, IndexRowsArgs) { index_rows<T, Move::kGather>(args); }

XK_INDEX_ROWS(1, uint8_t)
XK_INDEX_ROWS(2, uint16_t)
XK_INDEX_ROWS(4, uint32_t)
XK_INDEX_ROWS(8, uint64_t)
