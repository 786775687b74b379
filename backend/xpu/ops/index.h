#pragma once

// Launching the walks of kernels/index_args.h: merges dimensions, widens the unit that
// is moved, and chooses how the walk is cut into groups.

#include <cstddef>

#include "backend/runtime/stream.h"
#include "backend/xpu/kernels/index_args.h"

namespace xpu_lite::xpu {

// Merges neighbouring dimensions that every operand steps through alike; drops those
// of length 1. Leaves at least one dimension; numel is set.
void coalesce(IndexArgs& args);

// `element` is the size of an element in bytes: 1, 2, 4, 8 or 16. Sizes and strides
// as in IndexArgs (dimension 0 innermost, any order is correct); what the launcher
// derives (numel, rows, row_index, error) need not be set. With nothing to walk it
// launches nothing.
void index_get(Stream& stream, size_t element, IndexArgs args);
void index_put(Stream& stream, size_t element, IndexArgs args);
// dst[walk] = fill where the byte src[walk] is not 0.
void masked_fill(Stream& stream, size_t element, IndexArgs args);

} // namespace xpu_lite::xpu
