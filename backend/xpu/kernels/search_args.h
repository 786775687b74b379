#pragma once

// Arguments of searchsorted and bucketize. Plain C++.

#include <cstdint>

namespace xpu_lite::xpu {

struct SearchArgs {
  const void* sequence;  // rows of n sorted values; contiguous
  const int64_t* sorter; // places that sort the sequence, or null
  const void* values;
  void* out;
  int64_t n, numel;
  int64_t row;           // values for each row of the sequence; 0: one row for all
  int32_t right;         // after equal values, else before them
  int32_t narrow;        // out is int32, else int64
};

} // namespace xpu_lite::xpu
