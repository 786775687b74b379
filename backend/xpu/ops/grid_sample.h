#pragma once

// grid_sample on a SYCL device; pointers are the engine's, layouts as in
// kernels/grid_sample_args.h.

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/grid_sample_args.h"

namespace xpu_lite::xpu {

void grid_sample(Stream& stream, DType type, GridSampleArgs args);
// The gradients whose address is not null. `same_each_time`: no sums whose order
// differs from run to run.
void grid_sample_backward(Stream& stream, DType type, GridSampleArgs args,
                          bool same_each_time);

} // namespace xpu_lite::xpu
