#pragma once

// How a kernel reports what it found; see Note [Errors of kernels]. Work-items may
// report at the same time: the texts and values are then those of any of them.

#include "backend/xpu/kernel_error.h"
#include "backend/xpu/kernels/device.h"

namespace xk {

using xpu_lite::xpu::KernelError;
using xpu_lite::xpu::KernelFault;

inline void report(KernelError* error, const char* op, KernelFault fault, int64_t index,
                   int64_t size, int dim = 0, const char* what = nullptr) {
  if (!error || error->fault) return;
  error->op = op;
  error->what = what;
  error->dim = dim;
  error->index = index;
  error->size = size;
  error->fault = static_cast<int32_t>(fault);
}

// True, and `index` counted from the front, when it is in [-size, size).
inline bool wrap_index(int64_t& index, int64_t size, int dim, KernelError* error,
                       const char* op, KernelFault fault = KernelFault::Index) {
  const int64_t wrapped = index < 0 ? index + size : index;
  if (static_cast<uint64_t>(wrapped) >= static_cast<uint64_t>(size)) {
    report(error, op, fault, index, size, dim);
    return false;
  }
  index = wrapped;
  return true;
}

// The same for an index that may not count from the back.
inline bool check_index(int64_t index, int64_t size, int dim, KernelError* error,
                        const char* op, KernelFault fault = KernelFault::Index) {
  if (static_cast<uint64_t>(index) < static_cast<uint64_t>(size)) return true;
  report(error, op, fault, index, size, dim);
  return false;
}

} // namespace xk
