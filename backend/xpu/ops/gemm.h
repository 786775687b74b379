#pragma once

// Matrix products on kernels of ours: see kernels/gemm_args.h.

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/gemm_args.h"

namespace xpu_lite::xpu {

// Submits args.batch products; false if there is no kernel for the type.
bool gemm(Stream& stream, DType type, const GemmArgs& args);

} // namespace xpu_lite::xpu
