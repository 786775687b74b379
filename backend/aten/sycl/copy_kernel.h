#pragma once

// The copy of a device onto itself.

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

// True if no kernel knows the type's values: its bytes are moved, the host casts.
bool only_moved(at::ScalarType type);

// Both tensors have the same sizes and are on one device; any dtypes and strides, with
// their conjugate and negative bits.
void copy_kernel(const at::Tensor& src, const at::Tensor& dst);

} // namespace xpu_lite::aten::sycl
