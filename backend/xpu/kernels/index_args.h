#pragma once

// Arguments of the kernels that move elements to and from places named by index
// tensors: indexing, gather, scatter, index_select, index_copy, take, embedding are
// all one walk over a shape with up to eight indices. Plain C++.

#include <cstdint>

#include "backend/xpu/kernel_error.h"
#include "backend/xpu/kernels/elementwise_args.h"

namespace xpu_lite::xpu {

constexpr int kMaxWalkDims = 12;
constexpr int kMaxIndices = 8;
constexpr int64_t kRowPiece = 4096; // elements of a row that one sub-group takes at a time

// One index tensor; the length of the dimension it counts in, and the bytes from one
// element of that dimension to the next.
struct IndexOperand {
  const char* data;
  int64_t size;
  int64_t step;
};

// get: dst[walk] = src[walk + sum(index * step)]
// put: dst[walk + sum(index * step)] = has_src ? src[walk] : fill
// Dimension 0 is the innermost one; all strides and steps are in bytes.
struct IndexArgs {
  char* dst;
  const char* src;
  KernelError* error;
  const char* op;
  int64_t numel;
  int32_t dims;
  int32_t indices;
  int32_t wrap;     // a negative index counts from the back
  int32_t narrow;   // the indices are int32, else int64
  int32_t has_src;  // set by the launcher; without, src is some readable address
  int32_t rows;     // walk row by row: the innermost dimension is long
  int32_t row_index; // no index varies along the innermost dimension
  int32_t error_dim; // the dimension of the first index, for messages
  KernelFault fault; // which error an index out of range is
  int64_t sizes[kMaxWalkDims];
  int64_t dst_strides[kMaxWalkDims];
  int64_t src_strides[kMaxWalkDims];
  int64_t index_strides[kMaxWalkDims]; // of all indices: they are laid out alike
  IndexOperand index[kMaxIndices];
  uint64_t fill[2];
};

// The same where one index names whole rows, or one element each of rows: a few outer
// dimensions, dense rows on the side that the index does not count in.
constexpr int kIndexOuterDims = 3;
struct IndexRowsArgs {
  char* dst;
  const char* src;
  const char* index;
  int64_t size, step; // of the dimension that the index counts in
  int64_t dst_stride[kIndexOuterDims], src_stride[kIndexOuterDims];
  int64_t index_stride[kIndexOuterDims];
  int64_t src_inner, index_inner; // bytes from one element of a row to the next
  Divider dim[kIndexOuterDims];
  Divider chunks; // groups to a row
  uint64_t items; // of a row
  uint32_t dims;  // outer ones
  int32_t wrap, narrow, error_dim;
  KernelFault fault;
  KernelError* error;
  const char* op;
};

} // namespace xpu_lite::xpu
