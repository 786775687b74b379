#pragma once

// Copies between any strides and types on a device; what elementwise operators are
// prepared with.

#include "backend/xpu/ops/elementwise.h"

namespace xpu_lite::xpu {

// `from` and `to` have strides for the dimensions `size`.
void copy_elements(Stream& stream, int dims, const int64_t* size, const EwOperand& to,
                   const EwOperand& from);

} // namespace xpu_lite::xpu
