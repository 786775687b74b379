#pragma once

// Convolutions on kernels of ours: see kernels/convolution_args.h.

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/convolution_args.h"

namespace xpu_lite::xpu {

enum class ConvolutionPass : uint8_t { Forward, BackwardData, BackwardWeight };

// False if there is no kernel for the type.
bool convolution(Stream& stream, ConvolutionPass pass, DType type, const ConvolutionArgs& args);

} // namespace xpu_lite::xpu
