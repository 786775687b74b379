#pragma once

// Inner products, without torch.

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/ops/reduce.h"

namespace xpu_lite::xpu {

struct Vectors {
  const void* a;
  const void* b;
  int64_t n, a_stride, b_stride; // in elements
};

void dot(Stream& stream, DType type, const Vectors& v, bool conjugate, void* out,
         Scratch scratch, void* context);

} // namespace xpu_lite::xpu
