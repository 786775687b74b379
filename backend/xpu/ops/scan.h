#pragma once

// Scans along the middle of three dense dimensions, without torch.

#include <cstdint>

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/ops/reduce.h"

namespace xpu_lite::xpu {

struct ScanShape {
  int64_t outer, length, inner;
};

// `kernel`: "cumsum", "cumprod", "cumextreme" (flag: the least), "logcumsumexp".
// `index` for cumextreme only; total_bytes: of one accumulator of that kernel.
void scan(Stream& stream, const char* kernel, DType type, ScanShape shape, const void* in,
          void* out, void* index, int32_t flag, size_t total_bytes, Scratch scratch,
          void* context);

} // namespace xpu_lite::xpu
