#pragma once

// cumsum, cumprod, cummax, cummin and logcumsumexp.

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

void cummax_helper(const at::Tensor& self, at::Tensor& values, at::Tensor& indices, int64_t dim);
void cummin_helper(const at::Tensor& self, at::Tensor& values, at::Tensor& indices, int64_t dim);
at::Tensor logcumsumexp(const at::Tensor& self, int64_t dim);
at::Tensor& logcumsumexp_out(const at::Tensor& self, int64_t dim, at::Tensor& result);

} // namespace xpu_lite::aten::sycl
