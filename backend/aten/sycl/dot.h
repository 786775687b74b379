#pragma once

// Inner products of vectors.

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

at::Tensor dot(const at::Tensor& self, const at::Tensor& other);
at::Tensor vdot(const at::Tensor& self, const at::Tensor& other);

} // namespace xpu_lite::aten::sycl
