#pragma once

// Arguments of embedding_bag: rows of a table combined in bags. Plain C++.

#include <cstdint>

#include "backend/xpu/kernel_error.h"

namespace xpu_lite::xpu {

enum class BagMode : int32_t { Sum, Mean, Max }; // torch's numbers

struct EmbeddingBagArgs {
  const void* weight;     // rows * columns, strided
  const int64_t* indices;
  const int64_t* offsets; // bags + 1
  const void* scales;     // one for each index, or null
  void* out;              // bags * columns
  int64_t* sizes;         // of the bags, without padding; one for each
  int64_t* greatest;      // bags * columns, for Max: the row each value came from
  KernelError* error;
  int64_t bags, rows, columns, row_stride, column_stride, padding;
  BagMode mode;
};

} // namespace xpu_lite::xpu
