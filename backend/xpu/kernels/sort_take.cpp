// What leaves a sort: the values in their new order, and where they came from.

#include "backend/xpu/kernels/sort_args.h"
#include "backend/xpu/kernels/units.h"

namespace xk {

using xpu_lite::xpu::SortTakeArgs;

template <class T>
inline void sort_take(const SortTakeArgs& a) {
  auto it = item();
  const T* values = static_cast<const T*>(a.values);
  T* out = static_cast<T*>(a.out_values);
  const int64_t step = it.get_global_range(0), total = a.rows * a.count;
  for (int64_t i = it.get_global_id(0); i < total; i += step) {
    const int64_t row = a.rows == 1 ? 0 : i / a.count, j = i - row * a.count;
    const uint32_t place = a.places[row * a.pitch + j];
    if (out) out[i] = values[row * a.n + place];
    if (a.out_indices) a.out_indices[i] = place;
  }
}

} // namespace xk

XK(sort_take_1, xk::SortTakeArgs) { xk::sort_take<xk::U1>(args); }
XK(sort_take_2, xk::SortTakeArgs) { xk::sort_take<xk::U2>(args); }
XK(sort_take_4, xk::SortTakeArgs) { xk::sort_take<xk::U4>(args); }
XK(sort_take_8, xk::SortTakeArgs) { xk::sort_take<xk::U8>(args); }
