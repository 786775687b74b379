#pragma once

// Places of nonzero elements, and what is made of them.

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

// Waits for the count of nonzero elements.
at::Tensor nonzero(const at::Tensor& self);
at::Tensor& nonzero_out(const at::Tensor& self, at::Tensor& out);
// Does not wait: the result has `size` rows, filled up with fill_value.
at::Tensor nonzero_static(const at::Tensor& self, int64_t size, int64_t fill_value);
at::Tensor& nonzero_static_out(const at::Tensor& self, int64_t size, int64_t fill_value,
                               at::Tensor& out);

} // namespace xpu_lite::aten::sycl
