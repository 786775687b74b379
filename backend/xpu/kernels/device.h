#pragma once

// What every kernel file includes: how a kernel is declared, and the names of
// element types. Device code only.
//
// A kernel file includes this, the header with its argument struct (plain C++,
// shared with the host code that launches it), and templates; then it names each
// kernel once. One kernel becomes one SPIR-V module.
//
//   XK(ew_add_f32, BinaryArgs) { add<float>(args); }

#include <sycl/sycl.hpp>

#include "backend/xpu/dtype.h"

#define XK(name, Args) \
  extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY( \
      (sycl::ext::oneapi::experimental::nd_range_kernel<1>)) void name(Args args)

// Local memory of the work-group: XK_LOCAL(float[64], part); then part[i]. (The
// embedded compiler crashes on group_local_memory.)
#define XK_LOCAL(Type, name) \
  static sycl::ext::oneapi::experimental::work_group_static<Type> name

namespace xk {

using bf16 = sycl::ext::oneapi::bfloat16;
using f16 = sycl::half;

inline sycl::nd_item<1> item() { return sycl::ext::oneapi::this_work_item::get_nd_item<1>(); }

} // namespace xk
