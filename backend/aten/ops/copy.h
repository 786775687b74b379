#pragma once

// Copies: between device tensors, to and from the host, between devices.

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

// copy_ ends here for every pair with a device tensor in it. Dtypes may differ,
// src broadcasts to dst, strides are free. non_blocking copies return before
// they are done where the stream has a queue and the host side is pinned.
at::Tensor copy_from(const at::Tensor& src, const at::Tensor& dst, bool non_blocking);
at::Tensor copy_from_and_resize(const at::Tensor& src, const at::Tensor& dst);

} // namespace xpu_lite::aten
