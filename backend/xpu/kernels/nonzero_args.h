#pragma once

// Arguments of nonzero: counts in pieces, the sum of the counts before each piece,
// then the places in order. Plain C++.

#include <cstdint>

namespace xpu_lite::xpu {

constexpr int kNonzeroPiece = 4096; // elements that one group counts

// Counts of pieces of contiguous elements. An element counts when one of its bits under
// `mask` is set (the sign of a floating zero does not make it nonzero).
struct NonzeroCountArgs {
  const void* data;
  int64_t* counts; // one for each piece
  int64_t numel;
  uint64_t mask;
};

// Replaces counts by the sum of those before; counts[pieces] becomes the total.
struct NonzeroScanArgs {
  int64_t* counts;
  int64_t pieces;
};

constexpr int kNonzeroDims = 24;

// Writes the coordinates of the nonzero elements: out[k][dim], at most `most` of them.
struct NonzeroWriteArgs {
  const void* data;
  const int64_t* counts; // scanned
  int64_t* out;
  int64_t numel, most;
  uint64_t mask;
  int32_t dims;
  int64_t row_stride, column_stride; // of out, in elements
  int64_t sizes[kNonzeroDims];       // outermost first
};

} // namespace xpu_lite::xpu
