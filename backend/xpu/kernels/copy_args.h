#pragma once

// Arguments of the copies between any strides (copy_*.cpp); types only matter by
// their size.

#include <cstdint>

#include "backend/xpu/kernels/elementwise_args.h"

namespace xpu_lite::xpu {

constexpr int kCopyDims = 6;

// One element per work-item.
struct CopyArgs {
  char *to, *from;
  int64_t to_stride[kCopyDims], from_stride[kCopyDims]; // bytes, innermost first
  Divider dim[kCopyDims];
  uint32_t items, dims;
  uint32_t dense; // `to` is contiguous in the order of the dimensions
};

// Rows, of which a task of a sub-group is a block.
struct RowCopyArgs {
  char *to, *from;
  int64_t tasks, row, block;   // elements of a row and of a block
  int32_t to_step, from_step;  // elements, along a row
  Divider blocks;              // of a row
  int64_t to_stride[kCopyDims], from_stride[kCopyDims]; // bytes, of the other dimensions
  Divider dim[kCopyDims];
  uint32_t dims;
};

// Batches of matrices: columns are adjacent in `to`, rows are adjacent in `from`.
constexpr int kTransposeOuterDims = 4;
constexpr int kTransposeTile = 32;
struct TransposeArgs {
  char *to, *from;
  int64_t to_row, from_column; // strides in bytes
  uint32_t rows, columns;
  Divider row_tiles, column_tiles;
  int64_t to_stride[kTransposeOuterDims], from_stride[kTransposeOuterDims];
  Divider dim[kTransposeOuterDims];
  uint32_t dims;
};

} // namespace xpu_lite::xpu
