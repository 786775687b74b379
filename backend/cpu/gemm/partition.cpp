#include "backend/cpu/gemm/partition.h"

#include <unistd.h>

#include <algorithm>
#include <limits>

namespace xpu_lite::cpu::gemm {
namespace {

constexpr int64_t up(int64_t x, int64_t to) { return (x + to - 1) / to; }

// Half of what a group of cores shares: of a larger result nothing is left in the cache when
// it is read from its beginning. What the system says of the third level may be the sum of
// many groups'.
constexpr int64_t kStreamedFrom = int64_t{16} << 20;

// Time of one thread's share, in steps of a tile's row: a tile with few rows waits
// for its panel instead of computing.
int64_t share_cost(int64_t rows, int64_t panels, int tile_rows) {
  if (rows <= 0) return 0;
  const int64_t tiles = up(rows, tile_rows);
  return panels * (std::max<int64_t>(rows, 4 * tiles) + tiles);
}

} // namespace

Grid thread_grid(DType dtype, int64_t m, int64_t n, int64_t k, int threads, int tile_rows) {
  const int64_t panels = panels_of(n);
  // A thread that gets less than about 4 us of work costs more than it brings: 45
  // multiply-adds a nanosecond, or 15 bytes of the weight.
  const double nanoseconds = std::max(double(m) * double(n) * double(k) / 45,
                                      double(n) * double(k) * dtype_size(dtype) / 15);
  const int most = static_cast<int>(std::clamp<double>(nanoseconds / 4000, 1, threads));
  // Shares that are as good as equal differ in what all cores read: a once per part of
  // the columns, the weight once per part of the rows. a was just written and is near.
  Grid best;
  double best_cost = std::numeric_limits<double>::infinity(), best_reads = best_cost;
  for (int columns = std::min<int64_t>(most, panels); columns >= 1; --columns) {
    const int rows = static_cast<int>(std::min<int64_t>(most / columns, m));
    const double cost = double(share_cost(up(m, rows), up(panels, columns), tile_rows));
    const double reads = 0.5 * columns * double(m) + rows * double(n);
    if (cost < 0.98 * best_cost || (cost < 1.02 * best_cost && reads < best_reads)) {
      best = {rows, columns}, best_cost = cost, best_reads = reads;
    }
  }
  return best;
}

Blocks cache_blocks(int64_t rows, int64_t panels, int64_t k, int64_t element_bytes,
                    int tile_rows, int64_t cache_bytes) {
  // Many rows read each panel seldom; but where fewer let all of k fit, sums need not
  // be written and read again.
  constexpr int64_t kMost = 140, kLeast = 70;
  const int64_t fitting = cache_bytes / 2 / std::max<int64_t>(1, k * element_bytes);
  const int64_t most = fitting >= kLeast ? std::min(fitting, kMost) : kMost;
  const int64_t tiles = up(rows, tile_rows);
  const int64_t row_blocks = std::max<int64_t>(1, up(tiles, most / tile_rows));
  const int64_t block_rows = up(rows, row_blocks);
  int64_t k_block = k;
  if (block_rows * k * element_bytes > cache_bytes / 2) {
    const int64_t blocks = up(block_rows * k * element_bytes, cache_bytes * 3 / 8);
    k_block = std::max<int64_t>(64, up(up(k, blocks), 32) * 32);
  }
  int64_t group = panels;
  if (k_block < k) {
    const int64_t sums = block_rows * kPanel * static_cast<int64_t>(sizeof(float));
    group = std::clamp<int64_t>(cache_bytes / 4 / sums, 1, panels);
  }
  return {row_blocks, k_block, group};
}

int64_t second_level_cache() {
  static const int64_t bytes = [] {
    const long found = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return found >= (128 << 10) ? int64_t{found} : int64_t{512} << 10;
  }();
  return bytes;
}

bool streams_result(const Gemm& g) {
  const int64_t size = dtype_size(g.c_dtype);
  return g.m * g.n * size > kStreamedFrom && g.n % kPanel == 0 &&
      g.ldc * size % 64 == 0 && reinterpret_cast<uintptr_t>(g.c) % 64 == 0 &&
      g.epilogue.add.data != g.c;
}

} // namespace xpu_lite::cpu::gemm
