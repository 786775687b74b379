#pragma once

// Places of nonzero elements; see kernels/nonzero_args.h.

#include <cstddef>

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/nonzero_args.h"

namespace xpu_lite::xpu {

// How many int64 nonzero_count writes; the last one is the total.
int64_t nonzero_counts(int64_t numel);
void nonzero_count(Stream& stream, DType type, const void* data, int64_t numel,
                   int64_t* counts);
// After nonzero_count; fills what depends on the type.
void nonzero_write(Stream& stream, DType type, NonzeroWriteArgs args);

} // namespace xpu_lite::xpu
