#pragma once

// Stable sorts of rows, and of their k first only. The caller gives the memory.

#include <cstdint>

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/sort_args.h"

namespace xpu_lite::xpu {

// Two pairs of arrays, rows * n each, between which the passes go back and forth.
struct SortBuffers {
  void* keys[2];
  uint32_t* places[2];
};

// Keys of `type` are uint64 (else uint32).
bool sorts_wide(DType type);

// keys[i] from values[i].
void sort_keys(Stream& stream, DType type, const void* values, void* keys, int64_t numel,
               bool descending);

// Sorts n pairs of each row, whose keys are in keys[0] and whose places are 0, 1, ...;
// gives the half of the buffers that holds the result.
int sort_pairs(Stream& stream, bool wide, int64_t rows, int64_t n, const SortBuffers& buffers);

// The k first only, in rows of k. k must be at most kSelectMost.
constexpr int64_t kSelectMost = kSortTile / 4;
int select_pairs(Stream& stream, bool wide, int64_t rows, int64_t n, int64_t k,
                 const SortBuffers& buffers);

void sort_take(Stream& stream, size_t element, const SortTakeArgs& args);
void sort_pick(Stream& stream, bool wide, const SortPickArgs& args);

} // namespace xpu_lite::xpu
