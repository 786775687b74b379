#pragma once

// Reductions over strided memory, without torch: which kernel, in how many parts.

#include <cstdint>
#include <string>
#include <vector>

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"

namespace xpu_lite::xpu {

// One dimension of the input: strides in elements. A reduced dimension has no
// stride in the outputs.
struct ReduceDim {
  int64_t size;
  int64_t in_stride;
  int64_t out_stride = 0, out2_stride = 0;
  bool reduced = false;
};

struct Reduction {
  std::string kernel;     // "sum": its _rows_ and _cols_ kernels
  DType type;             // of the input
  size_t partial_bytes;   // of one accumulator of that kernel
  const void* in;
  void* out;
  void* out2 = nullptr;
  std::vector<ReduceDim> dims; // in any order
  int32_t flag = 0;
  bool wide_out = false;
  double number = 0;
  bool keeps_index = false; // the place in the (single) reduced dimension is a result
};

// Memory for partial results, from the stream's allocator: called at most once;
// what it returns must live until the launches are in the stream.
using Scratch = void* (*)(void* context, size_t bytes);

// False when the geometry has more dimensions, merged, than a kernel takes: make
// the input contiguous and ask again.
bool can_reduce(const Reduction& r);
void reduce(Stream& stream, const Reduction& r, Scratch scratch, void* context);

} // namespace xpu_lite::xpu
