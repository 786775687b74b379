#pragma once

// Arguments of the reduction kernels: geometry, and what an operator adds to it.

#include <cstdint>

namespace xpu_lite::xpu {

// Note [Numbers of 64 bits]
// A device without fp64 refuses a kernel in which the type double occurs, even in a
// struct. So arguments hold the bits of a double, and only kernels of 64-bit types
// look at them.

constexpr int kReduceDims = 6;

enum class ReduceStage : int32_t {
  Direct,   // inputs to outputs
  Partial,  // inputs to one partial result per output and split
  Finish,   // partial results to outputs
};

// Strides in elements. An output is found by its flat index over size[]; what it
// reduces is an outer range over several dimensions times an inner one.
struct ReduceArgs {
  const void* in;
  void* out;
  void* out2;    // the second result (indices, means), or null
  void* partial; // [splits][outputs]

  int64_t outputs;
  int32_t dims; // of the outputs; dimension 0 is the fastest
  int32_t outer_dims;
  int64_t size[kReduceDims], in_stride[kReduceDims];
  int64_t out_stride[kReduceDims], out2_stride[kReduceDims];

  int64_t inner, inner_stride;
  int64_t outer;
  int64_t outer_size[kReduceDims], outer_stride[kReduceDims];

  int64_t outer_splits, inner_splits; // the reduced range in this many parts
  int64_t outer_chunk, inner_chunk;   // of at most this length each
  int64_t stream; // > 0: streams of that many columns; only inner_splits then
  int32_t singly; // streams of one row at a time
  ReduceStage stage;

  int32_t flag;     // what it means is the operator's business
  int32_t wide_out; // the result is stored as accumulated, not in the input's type
  float p_f;        // the operator's number: divisor, exponent, correction
  uint64_t p_d;     // the same for 64-bit types, see Note [Numbers of 64 bits]
};

} // namespace xpu_lite::xpu
