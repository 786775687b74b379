#pragma once

// Pooling on a SYCL device. Pointers are the engine's; layouts as in PoolShape.

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/pool_args.h"

namespace xpu_lite::xpu {

// Forward: `out` and `indices` from `in`. Backward: `out`, the gradient of the
// input, from `in`, the gradient of the output, and `indices`.
void max_pool(Stream& stream, bool adaptive, bool backward, DType type, void* out,
              const void* in, int64_t* indices, PoolShape shape);
// divisor 0: the window's size.
void avg_pool(Stream& stream, bool adaptive, bool backward, DType type, void* out,
              const void* in, PoolShape shape, int64_t divisor = 0, bool count_padding = true);

} // namespace xpu_lite::xpu
