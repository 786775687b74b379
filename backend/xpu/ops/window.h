#pragma once

// im2col and col2im; see kernels/window_args.h.

#include <cstddef>

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/window_args.h"

namespace xpu_lite::xpu {

void im2col(Stream& stream, size_t element, const WindowArgs& args);
void col2im(Stream& stream, DType type, const WindowArgs& args);

} // namespace xpu_lite::xpu
