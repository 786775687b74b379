#pragma once

// cdist and pdist, and their gradients.

#include <optional>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

at::Tensor cdist_forward(const at::Tensor& x1, const at::Tensor& x2, double p,
                         std::optional<int64_t> compute_mode);
// The gradient of x1, of the broadcast size.
at::Tensor cdist_backward(const at::Tensor& grad, const at::Tensor& x1, const at::Tensor& x2,
                          double p, const at::Tensor& cdist);
at::Tensor pdist_forward(const at::Tensor& self, double p);
at::Tensor pdist_backward(const at::Tensor& grad, const at::Tensor& self, double p,
                          const at::Tensor& pdist);

} // namespace xpu_lite::aten::sycl
