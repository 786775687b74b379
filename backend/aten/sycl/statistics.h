#pragma once

// Reductions that torch's own classes do not reach on our device.

#include <optional>
#include <tuple>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

using at::Tensor;
using Dims = at::OptionalIntArrayRef;
using Correction = std::optional<c10::Scalar>;

Tensor var(const Tensor& self, Dims dim, const Correction& correction, bool keepdim);
Tensor std(const Tensor& self, Dims dim, const Correction& correction, bool keepdim);
Tensor& var_out(const Tensor& self, Dims dim, const Correction& correction, bool keepdim,
                Tensor& out);
Tensor& std_out(const Tensor& self, Dims dim, const Correction& correction, bool keepdim,
                Tensor& out);
std::tuple<Tensor, Tensor> var_mean(const Tensor& self, Dims dim, const Correction& correction,
                                    bool keepdim);
std::tuple<Tensor, Tensor> std_mean(const Tensor& self, Dims dim, const Correction& correction,
                                    bool keepdim);

} // namespace xpu_lite::aten::sycl
