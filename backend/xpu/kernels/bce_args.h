#pragma once

// Arguments of the binary cross entropy kernels; all tensors dense and alike.

#include <cstdint>

#include "backend/xpu/kernel_error.h"

namespace xpu_lite::xpu {

struct BceArgs {
  void* out;
  const void* in;
  const void* target;
  const void* weight;   // null: ones
  const void* grad_out; // backward
  int64_t n;
  int64_t grad_step;    // 0: one gradient for all
  KernelError* error;   // an input outside [0, 1]
  const char* op;
  const char* what;
  int64_t divisor;      // backward: n for a mean, else 1
};

} // namespace xpu_lite::xpu
