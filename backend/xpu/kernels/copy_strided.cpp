// Copies between any strides: one element per work-item.

#include "backend/xpu/kernels/copy_args.h"
#include "backend/xpu/kernels/elementwise.h"

namespace {

using xpu_lite::xpu::CopyArgs;

struct Sixteen {
  uint64_t low, high;
};

template <int D>
inline void walk(const CopyArgs& a, uint32_t index, int64_t& to, int64_t& from) {
  if constexpr (D < xpu_lite::xpu::kCopyDims) {
    if (D >= int(a.dims)) return;
    const uint32_t q = xk::divide(index, a.dim[D]);
    const int64_t r = index - q * a.dim[D].size;
    to += r * a.to_stride[D];
    from += r * a.from_stride[D];
    walk<D + 1>(a, q, to, from);
  }
}

template <class T>
inline void copy(const CopyArgs& a) {
  const uint32_t i = xk::item().get_global_linear_id();
  if (i >= a.items) return;
  int64_t to = 0, from = 0;
  walk<0>(a, i, to, from);
  const T v = *reinterpret_cast<const T*>(a.from + from);
  // A scatter costs several times a plain store.
  if (a.dense) reinterpret_cast<T*>(a.to)[i] = v;
  else *reinterpret_cast<T*>(a.to + to) = v;
}

} // namespace

XK(copy_strided_1, CopyArgs) { copy<uint8_t>(args); }
XK(copy_strided_2, CopyArgs) { copy<uint16_t>(args); }
XK(copy_strided_4, CopyArgs) { copy<uint32_t>(args); }
XK(copy_strided_8, CopyArgs) { copy<uint64_t>(args); }
XK(copy_strided_16, CopyArgs) { copy<Sixteen>(args); }
