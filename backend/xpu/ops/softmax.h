#pragma once

// Softmax and log-softmax over the middle of three dense dimensions, without torch.

#include <cstdint>

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"

namespace xpu_lite::xpu {

struct SoftmaxShape {
  int64_t outer, length, inner;
};

void softmax(Stream& stream, DType type, bool log, SoftmaxShape shape, const void* in, void* out);
// `output` is the forward's result.
void softmax_backward(Stream& stream, DType type, bool log, SoftmaxShape shape,
                      const void* grad, const void* output, void* grad_in);

} // namespace xpu_lite::xpu
