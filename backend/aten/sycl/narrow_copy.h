#pragma once

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

at::Tensor narrow_copy(const at::Tensor& self, int64_t dim, int64_t start, int64_t length);
at::Tensor& narrow_copy_out(const at::Tensor& self, int64_t dim, int64_t start, int64_t length,
                            at::Tensor& out);

} // namespace xpu_lite::aten::sycl
