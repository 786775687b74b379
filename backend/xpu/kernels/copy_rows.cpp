// Copies between any strides, a stretch of a row to a sub-group: for devices on which a
// work-group costs more than a short row, and addresses of each element more than itself.

#include "backend/xpu/kernels/copy_args.h"
#include "backend/xpu/kernels/lanes.h"

namespace {

using xpu_lite::xpu::RowCopyArgs;

template <int D>
inline void row_offsets(const RowCopyArgs& a, uint32_t index, int64_t& to, int64_t& from) {
  if constexpr (D < xpu_lite::xpu::kCopyDims) {
    if (D >= int(a.dims)) return;
    const uint32_t q = index / a.dim[D].size;
    const int64_t r = index - q * a.dim[D].size;
    to += r * a.to_stride[D];
    from += r * a.from_stride[D];
    row_offsets<D + 1>(a, q, to, from);
  }
}

// n elements, `to_step` and `from_step` apart; 1 where the template says so.
template <class T, bool kToDense, bool kFromDense>
XK_INLINE inline void copy_row(const xk::Lanes& lanes, T* to, const T* from, int32_t to_step,
                               int32_t from_step, int64_t n) {
  const int32_t lane = static_cast<int32_t>(lanes.lane);
  const int32_t t = kToDense ? lane : lane * to_step, f = kFromDense ? lane : lane * from_step;
  const int64_t to_width = lanes.width * (kToDense ? 1 : to_step);
  const int64_t from_width = lanes.width * (kFromDense ? 1 : from_step);
  int64_t i = 0;
  for (; i + lanes.width <= n; i += lanes.width) {
    to[t] = from[f];
    to += to_width;
    from += from_width;
  }
  if (i == n) return; // a branch of all lanes: masked memory accesses are slow even for none
  if (i + lane < n) to[t] = from[f];
}

template <class T>
inline void copy_rows(const RowCopyArgs& a) {
  const xk::Lanes lanes;
  lanes.each_task(a.tasks, [&](int64_t task_) XK_INLINE {
    const uint32_t task = static_cast<uint32_t>(task_), row = task / a.blocks.size;
    const int64_t first = int64_t(task - row * a.blocks.size) * a.block;
    const int64_t n = sycl::min(a.block, a.row - first);
    int64_t to_offset = first * a.to_step * int64_t(sizeof(T));
    int64_t from_offset = first * a.from_step * int64_t(sizeof(T));
    row_offsets<0>(a, row, to_offset, from_offset);
    T* to = reinterpret_cast<T*>(a.to + lanes.same(to_offset));
    const T* from = reinterpret_cast<const T*>(a.from + lanes.same(from_offset));
    if (a.to_step == 1) {
      if (a.from_step == 1) copy_row<T, true, true>(lanes, to, from, 1, 1, n);
      else copy_row<T, true, false>(lanes, to, from, 1, a.from_step, n);
    } else {
      if (a.from_step == 1) copy_row<T, false, true>(lanes, to, from, a.to_step, 1, n);
      else copy_row<T, false, false>(lanes, to, from, a.to_step, a.from_step, n);
    }
  });
}

} // namespace

XK(copy_rows_1, RowCopyArgs) { copy_rows<uint8_t>(args); }
XK(copy_rows_2, RowCopyArgs) { copy_rows<uint16_t>(args); }
XK(copy_rows_4, RowCopyArgs) { copy_rows<uint32_t>(args); }
XK(copy_rows_8, RowCopyArgs) { copy_rows<uint64_t>(args); }
