#pragma once

// embedding_bag forward; see kernels/embedding_bag_args.h.

#include <cstddef>

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/embedding_bag_args.h"

namespace xpu_lite::xpu {

void embedding_bag(Stream& stream, DType type, EmbeddingBagArgs args);

} // namespace xpu_lite::xpu
