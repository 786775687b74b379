#pragma once

// Arguments of additions (and other combinations) at places named by indices. They are
// done without atomics, the same way at each run: a key for every position (where it
// goes), a stable sort of keys, then one work-item per different key and column takes
// its values in order. Plain C++.

#include <cstdint>

#include "backend/xpu/kernels/index_args.h"

namespace xpu_lite::xpu {

// keys[position] = bytes from dst of where it goes; the greatest key for a bad index.
struct IndexKeysArgs {
  IndexArgs walk; // its positions; src is unused
  void* keys;
};

enum class Combine : int32_t { Add, Multiply, Min, Max, Assign };

// dst[key + column] = combine(dst[key + column], src[place + column]) over the sorted
// pairs. Strides in bytes, dimension 0 innermost.
struct SortedApplyArgs {
  char* dst;
  const char* src;
  const void* keys;
  const uint32_t* places;
  int64_t positions, columns;
  int32_t wide; // keys are uint64, else uint32
  Combine combine;
  int32_t column_dims, position_dims;
  int32_t rows; // one group per position: there are many columns
  int64_t column_sizes[kMaxWalkDims];
  int64_t column_dst[kMaxWalkDims];
  int64_t column_src[kMaxWalkDims];
  int64_t position_sizes[kMaxWalkDims];
  int64_t position_src[kMaxWalkDims];
};

// The same without a sort, where enough columns are independent: `walk` goes over the
// columns (dimensions along which dst is stepped through), and each work-item takes the
// `loop` values of its column in order.
struct CombineColumnsArgs {
  IndexArgs walk;
  int64_t loop;
  Combine combine;
  int32_t loop_dims;
  int64_t loop_sizes[kMaxWalkDims];
  int64_t loop_src[kMaxWalkDims];
  int64_t loop_index[kMaxWalkDims];
};

} // namespace xpu_lite::xpu
