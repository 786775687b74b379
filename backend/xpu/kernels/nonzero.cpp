// Places of nonzero elements, in order: count, scan, write.

#include "backend/xpu/kernels/nonzero_args.h"
#include "backend/xpu/kernels/units.h"

namespace xk {

using xpu_lite::xpu::kNonzeroDims;
using xpu_lite::xpu::kNonzeroPiece;
using xpu_lite::xpu::NonzeroCountArgs;
using xpu_lite::xpu::NonzeroScanArgs;
using xpu_lite::xpu::NonzeroWriteArgs;

template <class T>
inline bool is_set(T x, uint64_t mask) {
  if constexpr (sizeof(T) == 16) return ((x.low | x.high) & mask) != 0;
  else return (x & mask) != 0;
}

template <class T>
inline void nonzero_count(const NonzeroCountArgs& a) {
  auto it = item();
  const T* data = static_cast<const T*>(a.data);
  const int64_t pieces = (a.numel + kNonzeroPiece - 1) / kNonzeroPiece;
  for (int64_t piece = it.get_group(0); piece < pieces; piece += it.get_group_range(0)) {
    const int64_t begin = piece * kNonzeroPiece;
    const int64_t end = sycl::min(begin + kNonzeroPiece, a.numel);
    int32_t count = 0;
    for (int64_t i = begin + it.get_local_id(0); i < end; i += it.get_local_range(0))
      count += is_set(data[i], a.mask);
    count = sycl::reduce_over_group(it.get_group(), count, sycl::plus<int32_t>());
    if (it.get_local_id(0) == 0) a.counts[piece] = count;
  }
}

// One group walks over all counts.
inline void nonzero_scan(const NonzeroScanArgs& a) {
  auto it = item();
  int64_t before = 0;
  for (int64_t begin = 0; begin < a.pieces; begin += it.get_local_range(0)) {
    const int64_t i = begin + it.get_local_id(0);
    const int64_t count = i < a.pieces ? a.counts[i] : 0;
    const int64_t sum =
        sycl::exclusive_scan_over_group(it.get_group(), count, sycl::plus<int64_t>());
    if (i < a.pieces) a.counts[i] = before + sum;
    before += sycl::group_broadcast(it.get_group(), sum + count, it.get_local_range(0) - 1);
  }
  if (it.get_local_id(0) == 0) a.counts[a.pieces] = before;
}

inline void write_place(const NonzeroWriteArgs& a, int64_t row, int64_t i) {
  if (row >= a.most) return;
  int64_t* out = a.out + row * a.row_stride;
#pragma unroll
  for (int d = kNonzeroDims - 1; d >= 0; --d) {
    if (d >= a.dims) continue;
    const int64_t next = d == 0 ? 0 : i / a.sizes[d];
    out[d * a.column_stride] = i - next * a.sizes[d];
    i = next;
  }
}

template <class T>
inline void nonzero_write(const NonzeroWriteArgs& a) {
  auto it = item();
  const T* data = static_cast<const T*>(a.data);
  const int64_t pieces = (a.numel + kNonzeroPiece - 1) / kNonzeroPiece;
  const int64_t group = it.get_local_range(0);
  for (int64_t piece = it.get_group(0); piece < pieces; piece += it.get_group_range(0)) {
    if (a.counts[piece] == a.counts[piece + 1]) continue;
    // Each work-item takes neighbouring elements: one scan of the group for all.
    const int64_t each = (kNonzeroPiece + group - 1) / group;
    const int64_t first = piece * kNonzeroPiece + it.get_local_id(0) * each;
    const int64_t end = sycl::min(sycl::min(first + each, (piece + 1) * kNonzeroPiece), a.numel);
    int32_t count = 0;
    for (int64_t i = first; i < end; ++i) count += is_set(data[i], a.mask);
    int64_t row = a.counts[piece] + sycl::exclusive_scan_over_group(it.get_group(), count,
                                                                    sycl::plus<int32_t>());
    for (int64_t i = first; i < end; ++i)
      if (is_set(data[i], a.mask)) write_place(a, row++, i);
  }
}

} // namespace xk

XK(nonzero_scan, xk::NonzeroScanArgs) { xk::nonzero_scan(args); }
XK(nonzero_count_1, xk::NonzeroCountArgs) { xk::nonzero_count<xk::U1>(args); }
XK(nonzero_count_2, xk::NonzeroCountArgs) { xk::nonzero_count<xk::U2>(args); }
XK(nonzero_count_4, xk::NonzeroCountArgs) { xk::nonzero_count<xk::U4>(args); }
XK(nonzero_count_8, xk::NonzeroCountArgs) { xk::nonzero_count<xk::U8>(args); }
XK(nonzero_count_16, xk::NonzeroCountArgs) { xk::nonzero_count<xk::U16>(args); }
XK(nonzero_write_1, xk::NonzeroWriteArgs) { xk::nonzero_write<xk::U1>(args); }
XK(nonzero_write_2, xk::NonzeroWriteArgs) { xk::nonzero_write<xk::U2>(args); }
XK(nonzero_write_4, xk::NonzeroWriteArgs) { xk::nonzero_write<xk::U4>(args); }
XK(nonzero_write_8, xk::NonzeroWriteArgs) { xk::nonzero_write<xk::U8>(args); }
XK(nonzero_write_16, xk::NonzeroWriteArgs) { xk::nonzero_write<xk::U16>(args); }
