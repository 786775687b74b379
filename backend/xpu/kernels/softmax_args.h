#pragma once

// Softmax over the middle one of three dense dimensions.

#include <cstdint>

namespace xpu_lite::xpu {

// By columns, where rows are streams (kernels/softmax_columns.cpp).
enum class SoftmaxStage : int32_t {
  Whole,    // all of a block of columns, by one task
  Partial,  // what parts of the columns come to
  Finish,   // the parts put together
  Apply,    // the result, from that
};

struct SoftmaxArgs {
  const void* in;   // forward: the input; backward: the forward's output
  const void* grad; // backward only
  void* out;
  int64_t outer, length, inner;
  int32_t log;
  // Of streams only. Two numbers for each column and part: [2][splits][outer * inner].
  SoftmaxStage stage;
  void* partial;
  int64_t splits, rows; // parts, and the rows of each
  int64_t block;        // columns of one task
};

} // namespace xpu_lite::xpu
