#include "backend/xpu/ops/sort.h"

#include <algorithm>
#include <string>

#include "backend/runtime/error.h"
#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {
namespace {

const char* tile_kernel(bool wide) { return wide ? "sort_tile_u64" : "sort_tile_u32"; }

int tile_for(int64_t n) {
  int tile = 2;
  while (tile < kSortTile && tile < n) tile *= 2;
  return tile;
}

void tiles(Stream& stream, bool wide, const SortTileArgs& args) {
  const Limits& device = limits(stream.device());
  // Two pairs for each work-item is what a bitonic step can use.
  const size_t group = std::min<size_t>({(static_cast<size_t>(args.tile) / 2 + 31) & ~size_t{31},
                                         256, device.max_group_size});
  const auto tasks = static_cast<size_t>(args.rows * args.tiles);
  launch(stream, tile_kernel(wide), grid_for(stream.device(), tasks * group, group), args);
}

} // namespace

bool sorts_wide(DType type) {
  return type == DType::F64 || type == DType::I64 || type == DType::U64;
}

void sort_keys(Stream& stream, DType type, const void* values, void* keys, int64_t numel,
               bool descending) {
  if (numel == 0) return;
  const SortKeysArgs args{values, keys, numel, descending};
  launch(stream, std::string("sort_keys_") + suffix(type),
         grid_for(stream.device(), static_cast<size_t>(numel)), args);
}

int sort_pairs(Stream& stream, bool wide, int64_t rows, int64_t n, const SortBuffers& b) {
  const int tile = tile_for(n);
  tiles(stream, wide,
        {b.keys[0], b.places[0], b.keys[1], b.places[1], rows, n, (n + tile - 1) / tile, tile, 1,
         tile});
  int from = 1;
  for (int64_t width = tile; width < n; width *= 2, from = 1 - from) {
    const SortMergeArgs args{b.keys[from],       b.places[from], b.keys[1 - from],
                             b.places[1 - from], rows,           n,
                             width};
    launch(stream, wide ? "sort_merge_u64" : "sort_merge_u32",
           grid_for(stream.device(), static_cast<size_t>(rows * ((n + 15) / 16)), 64), args);
  }
  return from;
}

int select_pairs(Stream& stream, bool wide, int64_t rows, int64_t n, int64_t k,
                 const SortBuffers& b) {
  int from = 0;
  for (bool first = true;; first = false) {
    const int tile = tile_for(n);
    const int64_t count = (n + tile - 1) / tile;
    tiles(stream, wide,
          {b.keys[from], b.places[from], b.keys[1 - from], b.places[1 - from], rows, n, count,
           tile, first, static_cast<int32_t>(k)});
    from = 1 - from;
    if (count == 1) return from;
    n = count * k;
  }
}

void sort_take(Stream& stream, size_t element, const SortTakeArgs& args) {
  if (args.rows * args.count == 0) return;
  if (element > 8) throw Error(message("no kernel sorts elements of ", element, " bytes"));
  launch(stream, "sort_take_" + std::to_string(element),
         grid_for(stream.device(), static_cast<size_t>(args.rows * args.count)), args);
}

void sort_pick(Stream& stream, bool wide, const SortPickArgs& args) {
  if (args.rows == 0) return;
  launch(stream, wide ? "sort_pick_u64" : "sort_pick_u32",
         grid_for(stream.device(), static_cast<size_t>(args.rows), 64), args);
}

} // namespace xpu_lite::xpu
