#pragma once

// tril, triu and the indices of triangles; see kernels/triangle_args.h.

#include <cstddef>

#include "backend/runtime/stream.h"
#include "backend/xpu/kernels/triangle_args.h"

namespace xpu_lite::xpu {

void triangle(Stream& stream, size_t element, const TriangleArgs& args);
// int64 (else int32) indices.
void triangle_indices(Stream& stream, bool wide, const TriangleIndicesArgs& args);

} // namespace xpu_lite::xpu
