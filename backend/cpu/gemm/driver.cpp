// One product on all threads: each takes a rectangle of the result and walks it in
// blocks that fit its second-level cache, tile by tile. Tiles sum into a small
// buffer of floats; the epilogue reads it while it is hot.

#include <xmmintrin.h>

#include <numeric>

#include "backend/cpu/gemm/kernels.h"
#include "backend/cpu/gemm/partition.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/scratch.h"

namespace xpu_lite::cpu::gemm {
namespace {

// Rows at this distance fall into so few of the 64 sets of a first-level cache (with 8
// or more ways) that a tile's rows would evict each other.
bool rows_collide(int64_t bytes, int tile_rows) {
  if (bytes % 64 != 0) return false;
  const int64_t sets = 64 / std::gcd(bytes / 64, int64_t{64});
  return tile_rows > 7 * sets;
}

class Share {
 public:
  Share(const Kernels& kernels, const Gemm& g, Range rows, Range panels)
      : kernels_(kernels), g_(g), rows_(rows), panels_(panels),
        blocks_(cache_blocks(rows.size(), panels.size(), g.k, dtype_size(kernels.a_dtype),
                             kernels.rows, second_level_cache())),
        panel_bytes_(panel_k(g.dtype, g.k) * kPanel * dtype_size(g.dtype)) {
    const int64_t used = std::min<int64_t>(kernels.rows, rows.size());
    staged_ = g.a_transposed || kernels.a_dtype != g.a_dtype ||
              rows_collide(g.lda * dtype_size(g.dtype), static_cast<int>(used));
    brings_rows_ = !staged_ && padded_k(g.dtype, g.k) == g.k && g.lda == g.k && blocks_.k_block >= g.k;
  }

  void run() {
    for (int64_t b = 0; b < blocks_.row_blocks; ++b) {
      const Range block = part(rows_.size(), blocks_.row_blocks, b);
      row_block({rows_.begin + block.begin, rows_.begin + block.end});
    }
    if (streams_) _mm_sfence();
  }

 private:
  // Where tiles find rows [rows.begin, rows.end) of a, from step p on.
  struct Rows {
    const char* data;
    int64_t ld;
  };

  Rows rows_of_a(Range rows, int64_t p, int64_t steps) {
    const int64_t from_size = dtype_size(g_.a_dtype), size = dtype_size(kernels_.a_dtype);
    const int64_t at = g_.a_transposed ? p * g_.lda + rows.begin : rows.begin * g_.lda + p;
    const char* a = static_cast<const char*>(g_.a) + at * from_size;
    const int64_t padded = padded_k(g_.dtype, steps);
    if (!staged_ && padded == steps) return {a, g_.lda};
    // An odd number of lines from row to row: they spread over all sets.
    const int64_t ld = ((padded * size + 63) / 64 | 1) * 64 / size;
    thread_local Scratch buffer;
    void* out = buffer.get<void>(static_cast<size_t>(rows.size() * ld * size));
    kernels_.stage({a, g_.a_dtype, g_.a_transposed, g_.lda, rows.size(), steps, padded, out,
                    kernels_.a_dtype, ld});
    return {static_cast<const char*>(out), ld};
  }

  void row_block(Range rows) {
    const bool whole_k = blocks_.k_block >= g_.k;
    thread_local Scratch buffer;
    const int64_t panel_sums = rows.size() * kPanel;
    float* sums = buffer.get<float>(static_cast<size_t>(
        panel_sums * (whole_k ? 1 : blocks_.panel_group) * sizeof(float)));
    Rows a{};
    if (whole_k) a = rows_of_a(rows, 0, g_.k);
    for (int64_t j = panels_.begin; j < panels_.end; j += blocks_.panel_group) {
      const int64_t end = std::min(panels_.end, j + blocks_.panel_group);
      int64_t p = 0;
      do { // once with k = 0, too: the epilogue of nothing
        const int64_t steps = std::min(blocks_.k_block, g_.k - p);
        if (!whole_k) a = rows_of_a(rows, p, steps);
        for (int64_t panel = j; panel < end; ++panel) {
          float* to = sums + (whole_k ? 0 : (panel - j) * panel_sums);
          one_panel(rows, a, panel, p, steps, to);
        }
        p += steps;
      } while (p < g_.k);
    }
  }

  // The panel's steps [p, p + steps) for all rows of the block.
  void one_panel(Range rows, Rows a, int64_t panel, int64_t p, int64_t steps, float* sums) {
    const int64_t step_bytes = kPanel * dtype_size(g_.dtype);
    const char* w =
        static_cast<const char*>(g_.packed) + panel * panel_bytes_ + p * step_bytes;
    const int64_t tiles = (rows.size() + kernels_.rows - 1) / kernels_.rows;
    const int64_t next_slice = padded_k(g_.dtype, steps) * step_bytes / 4;
    for (int64_t t = 0; t < tiles; ++t) {
      const Range tile = part(rows.size(), tiles, t);
      const char* tile_a = a.data + tile.begin * a.ld * dtype_size(kernels_.a_dtype);
      // A tile asks for two lines of eight: four tiles bring the panel that follows.
      const char* next = t < 4 ? w + panel_bytes_ + t * next_slice : nullptr;
      float* to = sums + tile.begin * kPanel;
      if (brings_rows_) bring_rows(rows, a, (panel - panels_.begin) * tiles + t, tiles * panels_.size());
      if (p + steps == g_.k) bring_next(rows, tiles, t + 1, panel);
      kernels_.tile({tile.size(), tile_a, a.ld, w, padded_k(g_.dtype, steps), to, p > 0, next});
      if (p + steps == g_.k) {
        const int64_t column = panel * kPanel;
        kernels_.finish({&g_, to, tile.size(), std::min<int64_t>(kPanel, g_.n - column),
                         rows.begin + tile.begin, column, streams_});
      }
    }
  }

  // What the tile after this one will read and write beside its sums.
  __attribute__((always_inline)) void bring_next(Range rows, int64_t tiles, int64_t t,
                                                 int64_t panel) {
    if (t == tiles) t = 0, ++panel;
    if (panel == panels_.end) return;
    const Range next = part(rows.size(), tiles, t);
    bring_result(g_, rows.begin + next.begin, next.size(), panel * kPanel, streams_);
  }

  // A share of the rows that the next block will read, so that its first panel does not
  // wait for memory: they are too many streams for the hardware to follow.
  __attribute__((always_inline)) void bring_rows(Range rows, Rows a, int64_t index, int64_t count) {
    const int64_t row_bytes = g_.lda * dtype_size(g_.a_dtype);
    const int64_t bytes = std::min(rows.size(), rows_.end - rows.end) * row_bytes;
    const Range lines = part(bytes / 64, count, index);
    const char* next = a.data + rows.size() * row_bytes;
    for (int64_t l = lines.begin; l < lines.end; ++l) __builtin_prefetch(next + l * 64, 0, 2);
  }

  const Kernels& kernels_;
  const Gemm& g_;
  const Range rows_, panels_;
  const Blocks blocks_;
  const int64_t panel_bytes_;
  const bool streams_ = streams_result(g_);
  bool staged_, brings_rows_;
};

} // namespace

void run_tiles(const Kernels& kernels, const Gemm& g) {
  if (g.m <= 0 || g.n <= 0) return;
  const int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
  const Grid grid = thread_grid(g.dtype, g.m, g.n, g.k, threads, kernels.rows);
  parallel_for(0, int64_t{grid.rows} * grid.columns, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const Range rows = part(g.m, grid.rows, i / grid.columns);
      const Range panels = part(panels_of(g.n), grid.columns, i % grid.columns);
      Share(kernels, g, rows, panels).run();
    }
  });
}

} // namespace xpu_lite::cpu::gemm
