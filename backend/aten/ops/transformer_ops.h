#pragma once

// What stands between the products of a transformer, by kernels of ours: dense float32, bfloat16
// and float16. What does not fit takes route 2.

#include <optional>
#include <string_view>
#include <tuple>

#include <ATen/core/Tensor.h>
#include <c10/core/SymIntArrayRef.h>

namespace xpu_lite::aten {

at::Tensor gelu(const at::Tensor& self, std::string_view approximate);
at::Tensor silu(const at::Tensor& self);

std::tuple<at::Tensor, at::Tensor, at::Tensor> native_layer_norm(
    const at::Tensor& input, c10::SymIntArrayRef normalized_shape,
    const std::optional<at::Tensor>& weight, const std::optional<at::Tensor>& bias, double eps);

// self + other where one is float32 and the other has 16 bits, of one shape and dense: a
// residual stream under autocast. Nothing for any other operands.
std::optional<at::Tensor> add_widened(const at::Tensor& self, const at::Tensor& other);

} // namespace xpu_lite::aten
