#pragma once

// The inner product of two vectors.

#include <cstdint>

namespace xpu_lite::xpu {

struct DotArgs {
  const void* a;
  const void* b;
  void* out;
  void* partial; // [splits], accumulation type
  int64_t n, a_stride, b_stride;
  int64_t splits, chunk;
  int32_t conjugate; // the first vector
  int32_t finish;    // second launch: adds up the partial results
};

} // namespace xpu_lite::xpu
