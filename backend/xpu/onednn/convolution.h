#pragma once

#include "backend/xpu/ops/onednn.h"

namespace xpu_lite::xpu::onednn {

void run_convolution(Stream& stream, const char* op, Direction direction,
                     const Convolution& call);
bool can_convolve(int device, DType type);

} // namespace xpu_lite::xpu::onednn
