#pragma once

// Softmax over the middle one of three dense dimensions.

#include <cstdint>

namespace xpu_lite::xpu {

struct SoftmaxArgs {
  const void* in;   // forward: the input; backward: the forward's output
  const void* grad; // backward only
  void* out;
  int64_t outer, length, inner;
  int32_t log;
};

} // namespace xpu_lite::xpu
