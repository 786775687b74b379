#pragma once

#include "backend/xpu/ops/onednn.h"

namespace xpu_lite::xpu::onednn {

void run_matmul(Stream& stream, const char* op, const Matmul& call);
bool can_multiply(int device, DType type);

} // namespace xpu_lite::xpu::onednn
