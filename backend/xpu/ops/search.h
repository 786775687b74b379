#pragma once

// searchsorted and bucketize; see kernels/search_args.h.

#include <cstddef>

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/search_args.h"

namespace xpu_lite::xpu {

void search(Stream& stream, DType type, const SearchArgs& args);

} // namespace xpu_lite::xpu
