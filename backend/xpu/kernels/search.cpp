// searchsorted and bucketize: one bisection per value. Not-a-number is the greatest.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/search_args.h"

namespace xk {

using xpu_lite::xpu::SearchArgs;

template <class A>
inline bool less_than(A a, A b) {
  if constexpr (std::is_same_v<A, float> || std::is_same_v<A, double>)
    return a < b || (b != b && a == a);
  else return a < b;
}

template <class T, bool Sorter>
inline void search_in(const SearchArgs& a) {
  auto it = item();
  const int64_t step = it.get_global_range(0);
  for (int64_t i = it.get_global_id(0); i < a.numel; i += step) {
    const int64_t base = a.row ? i / a.row * a.n : 0;
    const T* sequence = static_cast<const T*>(a.sequence) + base;
    const auto value = widen(static_cast<const T*>(a.values)[i]);
    int64_t low = 0, high = a.n;
    while (low < high) {
      const int64_t mid = low + (high - low) / 2;
      int64_t place = mid;
      if constexpr (Sorter) place = a.sorter[base + mid];
      // A sorter that names no place of the sequence is not followed.
      const auto at = place >= 0 && place < a.n ? widen(sequence[place]) : value;
      const bool before = a.right ? !less_than(value, at) : less_than(at, value);
      if (before) low = mid + 1;
      else high = mid;
    }
    if (a.narrow) static_cast<int32_t*>(a.out)[i] = static_cast<int32_t>(low);
    else static_cast<int64_t*>(a.out)[i] = low;
  }
}

template <class T>
inline void search(const SearchArgs& a) {
  if (a.sorter) search_in<T, true>(a);
  else search_in<T, false>(a);
}

} // namespace xk

XK(search_f32, xk::SearchArgs) { xk::search<float>(args); }
XK(search_f64, xk::SearchArgs) { xk::search<double>(args); }
XK(search_f16, xk::SearchArgs) { xk::search<xk::f16>(args); }
XK(search_bf16, xk::SearchArgs) { xk::search<xk::bf16>(args); }
XK(search_i64, xk::SearchArgs) { xk::search<int64_t>(args); }
XK(search_i32, xk::SearchArgs) { xk::search<int32_t>(args); }
XK(search_i16, xk::SearchArgs) { xk::search<int16_t>(args); }
XK(search_i8, xk::SearchArgs) { xk::search<int8_t>(args); }
XK(search_u8, xk::SearchArgs) { xk::search<uint8_t>(args); }
