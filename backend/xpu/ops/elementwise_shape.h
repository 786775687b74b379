#pragma once

// The shape of an elementwise call: which dimensions are one, and what is a row.

#include "backend/xpu/ops/elementwise.h"

namespace xpu_lite::xpu {

inline Divider divider(uint32_t n) {
  uint32_t shift = 0;
  while ((uint64_t{1} << shift) < n) ++shift;
  const uint64_t magic = ((uint64_t{1} << 32) * ((uint64_t{1} << shift) - n)) / n + 1;
  return {n, static_cast<uint32_t>(magic), shift};
}

inline int64_t count(int dims, const int64_t* size) {
  int64_t n = 1;
  for (int d = 0; d < dims; ++d) n *= size[d];
  return n;
}

// Drops dimensions of one element and merges those that all operands walk as one.
void coalesce(int& dims, int64_t* size, EwOperand* const* operands, int count);

// Strides of a contiguous tensor of the same order; a dimension that `like` does not
// move in has stride 0, unless `whole`. Returns the number of elements.
int64_t pack(int dims, const int64_t* size, const EwOperand& like, bool whole, size_t item,
             int64_t* stride);

} // namespace xpu_lite::xpu
