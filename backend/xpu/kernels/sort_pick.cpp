// One place of each sorted row: the k-th smallest, a median, the most frequent value.

#include "backend/xpu/kernels/device.h"
#include "backend/xpu/kernels/sort_args.h"

namespace xk {

using xpu_lite::xpu::SortPick;
using xpu_lite::xpu::SortPickArgs;

template <class Key>
inline int64_t first_of(const Key* keys, int64_t n, Key key) {
  int64_t low = 0, high = n;
  while (low < high) {
    const int64_t mid = (low + high) / 2;
    if (keys[mid] < key) low = mid + 1;
    else high = mid;
  }
  return low;
}

// The last place of the longest run; of equally long ones the first.
template <class Key>
inline int64_t longest_run(const Key* keys, int64_t n) {
  int64_t best = 0, longest = 0, length = 0;
  for (int64_t i = 0; i < n; ++i) {
    length = i && keys[i] == keys[i - 1] ? length + 1 : 1;
    if (length > longest) longest = length, best = i;
  }
  return best;
}

template <class Key>
inline int64_t picked(const SortPickArgs& a, const Key* keys) {
  if (a.pick == SortPick::Kth) return a.k;
  if (a.pick == SortPick::Mode) return longest_run(keys, a.n);
  const int64_t valid = a.has_nan ? first_of(keys, a.n, static_cast<Key>(~Key{0})) : a.n;
  if (a.pick == SortPick::Median) return valid < a.n ? valid : (a.n - 1) / 2;
  return valid ? (valid - 1) / 2 : 0;
}

template <class Key>
inline void sort_pick(const SortPickArgs& a) {
  auto it = item();
  const int64_t step = it.get_global_range(0);
  for (int64_t row = it.get_global_id(0); row < a.rows; row += step) {
    const Key* keys = static_cast<const Key*>(a.keys) + row * a.n;
    a.out_indices[row] = a.places[row * a.n + picked(a, keys)];
  }
}

} // namespace xk

XK(sort_pick_u32, xk::SortPickArgs) { xk::sort_pick<uint32_t>(args); }
XK(sort_pick_u64, xk::SortPickArgs) { xk::sort_pick<uint64_t>(args); }
