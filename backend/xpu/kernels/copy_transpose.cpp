// Copies that swap which dimension is contiguous: tile by tile through local memory,
// so that both sides are read and written in whole cache lines.

#include "backend/xpu/kernels/copy_args.h"
#include "backend/xpu/kernels/elementwise.h"

namespace {

using xpu_lite::xpu::TransposeArgs;
constexpr int kTile = xpu_lite::xpu::kTransposeTile;
constexpr int kPitch = kTile + 1; // no two rows of a column in one bank

template <int D>
inline void walk(const TransposeArgs& a, uint32_t index, int64_t& to, int64_t& from) {
  if constexpr (D < xpu_lite::xpu::kTransposeOuterDims) {
    if (D >= int(a.dims)) return;
    const uint32_t q = xk::divide(index, a.dim[D]);
    const int64_t r = index - q * a.dim[D].size;
    to += r * a.to_stride[D];
    from += r * a.from_stride[D];
    walk<D + 1>(a, q, to, from);
  }
}

// A work-group of kTile items; each is a row while reading, a column while writing.
template <class T>
inline void transpose(const TransposeArgs& a, T* tile) {
  const auto it = xk::item();
  const uint32_t lane = it.get_local_id(0);
  uint32_t index = it.get_group_linear_id();
  uint32_t q = xk::divide(index, a.column_tiles);
  const uint32_t column0 = (index - q * a.column_tiles.size) * kTile;
  index = q;
  q = xk::divide(index, a.row_tiles);
  const uint32_t row0 = (index - q * a.row_tiles.size) * kTile;
  int64_t to = 0, from = 0;
  walk<0>(a, q, to, from);
  const char* source = a.from + from + column0 * a.from_column;
  const T* rows = reinterpret_cast<const T*>(source) + row0;
  const uint32_t columns = sycl::min(uint32_t(kTile), a.columns - column0);
  if (row0 + lane < a.rows) {
    for (uint32_t c = 0; c < columns; ++c) {
      tile[c * kPitch + lane] =
          *reinterpret_cast<const T*>(reinterpret_cast<const char*>(rows + lane) +
                                      c * a.from_column);
    }
  }
  sycl::group_barrier(it.get_group());
  char* target = a.to + to + row0 * a.to_row;
  const uint32_t count = sycl::min(uint32_t(kTile), a.rows - row0);
  if (column0 + lane < a.columns) {
    for (uint32_t r = 0; r < count; ++r) {
      (reinterpret_cast<T*>(target + r * a.to_row) + column0)[lane] = tile[lane * kPitch + r];
    }
  }
}

} // namespace

XK(copy_transpose_1, TransposeArgs) {
  XK_LOCAL(uint8_t[kTile * kPitch], tile);
  transpose<uint8_t>(args, tile);
}
XK(copy_transpose_2, TransposeArgs) {
  XK_LOCAL(uint16_t[kTile * kPitch], tile);
  transpose<uint16_t>(args, tile);
}
XK(copy_transpose_4, TransposeArgs) {
  XK_LOCAL(uint32_t[kTile * kPitch], tile);
  transpose<uint32_t>(args, tile);
}
XK(copy_transpose_8, TransposeArgs) {
  XK_LOCAL(uint64_t[kTile * kPitch], tile);
  transpose<uint64_t>(args, tile);
}
