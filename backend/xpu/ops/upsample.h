#pragma once

// Resampling on a SYCL device; pointers are the engine's, layouts as in PoolShape.

#include <array>

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/upsample_args.h"

namespace xpu_lite::xpu {

struct Resampling {
  Resample mode;
  bool align_corners;
  // Outputs per input as the caller gave them (depth, height, width); 0: from the sizes.
  std::array<double, 3> scales;
  int dims; // 1 to 3: the axes before the last `dims` are not there
};

// Bytes of device memory that the tables need.
size_t resample_bytes(const Resampling& how, DType type, const PoolShape& shape);
// Nearest modes take any element size, the others f32, f64, f16, bf16.
void resample(Stream& stream, const Resampling& how, DType type, void* out, const void* in,
              PoolShape shape, void* tables);
// `out` is the gradient of the input, `in` that of the output.
void resample_backward(Stream& stream, const Resampling& how, DType type, void* out,
                       const void* in, PoolShape shape, void* tables);

} // namespace xpu_lite::xpu
