// Sorting pairs: bitonic inside tiles in local memory, then merges of ever longer runs.
// The order is that of (key, place): no two pairs are equal, so it is stable.

#include "backend/xpu/kernels/device.h"
#include "backend/xpu/kernels/sort_args.h"

namespace xk {

using xpu_lite::xpu::kSortTile;
using xpu_lite::xpu::SortMergeArgs;
using xpu_lite::xpu::SortTileArgs;

template <class Key>
inline bool before(Key a, uint32_t pa, Key b, uint32_t pb) {
  return a < b || (a == b && pa < pb);
}

template <class Key>
inline void sort_tile(const SortTileArgs& a, Key* key, uint32_t* place) {
  auto it = item();
  const int local = static_cast<int>(it.get_local_id(0));
  const int group = static_cast<int>(it.get_local_range(0));
  const int tile = a.tile;
  const Key* keys = static_cast<const Key*>(a.keys);
  Key* out_keys = static_cast<Key*>(a.out_keys);
  const int64_t tasks = a.rows * a.tiles;
  for (int64_t task = it.get_group(0); task < tasks; task += it.get_group_range(0)) {
    const int64_t row = task / a.tiles, first = (task - row * a.tiles) * tile;
    const int64_t from = row * a.n + first;
    const int count = static_cast<int>(sycl::min<int64_t>(tile, a.n - first));
    for (int i = local; i < tile; i += group) {
      const bool real = i < count;
      key[i] = real ? keys[from + i] : ~Key{0};
      place[i] = !real ? ~0u : a.number ? static_cast<uint32_t>(first + i) : a.places[from + i];
    }
    for (int size = 2; size <= tile; size *= 2) {
      for (int half = size / 2; half > 0; half /= 2) {
        sycl::group_barrier(it.get_group());
        for (int i = local; i < tile / 2; i += group) {
          const int x = 2 * i - (i & (half - 1)), y = x + half;
          const Key kx = key[x], ky = key[y];
          const uint32_t px = place[x], py = place[y];
          const bool up = (x & size) == 0;
          if (before(ky, py, kx, px) == up) {
            key[x] = ky, key[y] = kx;
            place[x] = py, place[y] = px;
          }
        }
      }
    }
    sycl::group_barrier(it.get_group());
    // Keeping all of them, the last tile of a row is as short as it was.
    const bool all = a.keep == tile;
    const int64_t to = all ? from : task * a.keep;
    const int written = all ? count : a.keep;
    for (int i = local; i < written; i += group) {
      out_keys[to + i] = key[i];
      a.out_places[to + i] = place[i];
    }
    sycl::group_barrier(it.get_group());
  }
}

constexpr int kMergePiece = 16; // pairs that one work-item writes

// Each work-item finds by bisection where its piece of the merged run begins in both
// halves, and merges from there.
template <class Key>
inline void sort_merge(const SortMergeArgs& a) {
  auto it = item();
  const int64_t step = it.get_global_range(0);
  const int64_t pieces = (a.n + kMergePiece - 1) / kMergePiece, tasks = a.rows * pieces;
  for (int64_t task = it.get_global_id(0); task < tasks; task += step) {
    const int64_t row = a.rows == 1 ? 0 : task / pieces;
    const int64_t out = (task - row * pieces) * kMergePiece;
    const int64_t base = out / (2 * a.width) * (2 * a.width);
    const Key* keys = static_cast<const Key*>(a.keys) + row * a.n + base;
    const uint32_t* places = a.places + row * a.n + base;
    Key* to = static_cast<Key*>(a.out_keys) + row * a.n + out;
    uint32_t* to_place = a.out_places + row * a.n + out;
    const int64_t left = sycl::min(a.width, a.n - base);
    const int64_t right = sycl::min(a.width, a.n - base - left);
    const int64_t skip = out - base;
    const int64_t end = sycl::min<int64_t>(kMergePiece, left + right - skip);
    int64_t low = sycl::max<int64_t>(0, skip - right), high = sycl::min(skip, left);
    while (low < high) {
      const int64_t mid = (low + high) / 2;
      if (keys[mid] <= keys[left + skip - 1 - mid]) low = mid + 1;
      else high = mid;
    }
    // Equal keys come from the left run first: its places are less.
    int64_t i = low, j = left + skip - low;
    const int64_t stop = left + right, last = stop - 1;
    Key a_key = keys[sycl::min(i, last)], b_key = keys[sycl::min(j, last)];
    for (int64_t o = 0; o < end; ++o) {
      const bool first = j >= stop || (i < left && a_key <= b_key);
      to[o] = first ? a_key : b_key;
      to_place[o] = places[first ? i : j];
      i += first;
      j += !first;
      const Key next = keys[sycl::min(first ? i : j, last)];
      a_key = first ? next : a_key;
      b_key = first ? b_key : next;
    }
  }
}

} // namespace xk

XK(sort_tile_u32, xk::SortTileArgs) {
  XK_LOCAL(uint32_t[xk::kSortTile], key);
  XK_LOCAL(uint32_t[xk::kSortTile], place);
  xk::sort_tile<uint32_t>(args, &key[0], &place[0]);
}
XK(sort_tile_u64, xk::SortTileArgs) {
  XK_LOCAL(uint64_t[xk::kSortTile], key);
  XK_LOCAL(uint32_t[xk::kSortTile], place);
  xk::sort_tile<uint64_t>(args, &key[0], &place[0]);
}
XK(sort_merge_u32, xk::SortMergeArgs) { xk::sort_merge<uint32_t>(args); }
XK(sort_merge_u64, xk::SortMergeArgs) { xk::sort_merge<uint64_t>(args); }
