#pragma once

// Who computes what, and in which blocks: pure arithmetic on shapes, so that it can
// be tested for 64 threads on a machine that has two.

#include <cstdint>

#include "backend/cpu/gemm/kernels.h"

namespace xpu_lite::cpu::gemm {

// A grid of threads over the result: `rows` parts of its rows by `columns` parts of
// its panels.
struct Grid {
  int rows = 1, columns = 1;
};
Grid thread_grid(DType dtype, int64_t m, int64_t n, int64_t k, int threads, int tile_rows);

// Part `index` of `parts` of [0, total), as even as can be.
struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};
constexpr Range part(int64_t total, int64_t parts, int64_t index) {
  return {total * index / parts, total * (index + 1) / parts};
}

// Blocks for one thread's rows x panels: a block of a (rows x k) and one of sums
// (rows x panels) share the second-level cache with the panels that pass by.
struct Blocks {
  int64_t row_blocks;   // parts of the rows
  int64_t k_block;      // steps, a multiple of 32 unless it is all of k
  int64_t panel_group;  // panels that one block of sums covers
};
Blocks cache_blocks(int64_t rows, int64_t panels, int64_t k, int64_t element_bytes,
                    int tile_rows, int64_t cache_bytes);

int64_t second_level_cache(); // bytes, of one core

// The result is too large to be found in a cache by who reads it next, and rows are whole
// lines: storing past the caches saves reading each line before it is written.
bool streams_result(const Gemm& g);

} // namespace xpu_lite::cpu::gemm
