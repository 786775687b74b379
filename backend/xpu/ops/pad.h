#pragma once

// Reflection and replication padding; see kernels/pad_args.h.

#include <cstddef>

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/pad_args.h"

namespace xpu_lite::xpu {

// out from in.
void pad(Stream& stream, size_t element, const PadArgs& args);
// `in` is the gradient of the padded tensor, `out` that of the other.
void pad_backward(Stream& stream, DType type, const PadArgs& args);

} // namespace xpu_lite::xpu
