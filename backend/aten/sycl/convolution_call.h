#pragma once

// One pass of a convolution on tensors whose layouts are settled: through oneDNN, or a
// kernel of ours where oneDNN has none.

#include <ATen/core/Tensor.h>

#include "backend/xpu/ops/onednn.h"

namespace xpu_lite::aten::sycl {

struct ConvolutionCall {
  const char* op; // a string literal
  xpu::onednn::Direction direction;
  at::Tensor input, weight, output; // the pass writes one of them
  at::Tensor bias = {};             // or its gradient, with BackwardWeights
  at::IntArrayRef stride, padding, dilation;
  bool transposed;
  int64_t groups;
};

void submit(const ConvolutionCall& call);

} // namespace xpu_lite::aten::sycl
