#pragma once

// The kernels of reduce.h, one entry per family of element types. reduce.cpp calls
// them; the other files of this folder fill the tables, once per ISA level.

#include <cstddef>

#include "backend/ccl/types.h"
#include "backend/cpu/dispatch.h"

namespace xpu_lite::ccl {

struct ReduceArgs {
  void* out;
  const void* const* ins;
  int n;
  size_t count; // elements; complex ones that are reduced by parts count twice
  ReduceKind kind;
  double factor; // PreMulSum
  int ranks;     // Avg
};

} // namespace xpu_lite::ccl

XPU_LITE_DECLARE_KERNEL(ccl_reduce_float32, void(const ccl::ReduceArgs&));
XPU_LITE_DECLARE_KERNEL(ccl_reduce_float64, void(const ccl::ReduceArgs&));
XPU_LITE_DECLARE_KERNEL(ccl_reduce_bfloat16, void(const ccl::ReduceArgs&));
XPU_LITE_DECLARE_KERNEL(ccl_reduce_float16, void(const ccl::ReduceArgs&));
XPU_LITE_DECLARE_KERNEL(ccl_reduce_float8, void(const ccl::ReduceArgs&, ccl::DataType));
XPU_LITE_DECLARE_KERNEL(ccl_reduce_integer, void(const ccl::ReduceArgs&, ccl::DataType));
XPU_LITE_DECLARE_KERNEL(ccl_reduce_bool, void(const ccl::ReduceArgs&));
XPU_LITE_DECLARE_KERNEL(ccl_multiply_complex, void(const ccl::ReduceArgs&, ccl::DataType));
XPU_LITE_DECLARE_KERNEL(ccl_copy_cached, void(void*, const void*, size_t));
XPU_LITE_DECLARE_KERNEL(ccl_copy_streaming, void(void*, const void*, size_t));
