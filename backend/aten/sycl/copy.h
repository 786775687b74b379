#pragma once

// _copy_from of the SYCL engine: between host and device, on a device, and between
// devices. On the device everything is a kernel or a copy in stream order; dtypes
// and strides of host memory are the host's business.

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

// Broadcasts src to dst, converts, and returns dst. Waits for the stream unless both
// are on the device, or non_blocking and the host memory is pinned.
at::Tensor copy_from(const at::Tensor& src, const at::Tensor& dst, bool non_blocking);

// The value of a tensor with one element. Waits for the stream.
at::Scalar local_scalar_dense(const at::Tensor& self);

} // namespace xpu_lite::aten::sycl
