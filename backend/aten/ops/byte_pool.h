#pragma once

// xpu_lite::byte_max_pool2d: torch's max_pool2d of uint8 and int8, between quantised
// convolutions. The output has channels last.

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

#define XPU_LITE_BYTE_POOL_ARGUMENTS                                                    \
  const at::Tensor &input, at::IntArrayRef kernel_size, at::IntArrayRef stride,         \
      at::IntArrayRef padding, at::IntArrayRef dilation, bool ceil_mode

at::Tensor byte_max_pool2d_host(XPU_LITE_BYTE_POOL_ARGUMENTS);
at::Tensor byte_max_pool2d_composed(XPU_LITE_BYTE_POOL_ARGUMENTS);

} // namespace xpu_lite::aten
