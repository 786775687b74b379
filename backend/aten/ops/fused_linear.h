#pragma once

// xpu_lite::linear: a linear layer with what follows it. The weight is packed through the
// cache of Note [Packed weights]; activation, addition and multiplication are done while
// the product is in the processor's cache.

#include <optional>
#include <string_view>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

#define XPU_LITE_LINEAR_ARGUMENTS                                                      \
  const at::Tensor &input, const at::Tensor &weight, const std::optional<at::Tensor>&bias, \
      std::string_view activation, const std::optional<at::Tensor>&add, bool add_first,   \
      const std::optional<at::Tensor>&mul

// By the GEMM of the host engine.
at::Tensor fused_linear_host(XPU_LITE_LINEAR_ARGUMENTS);
// By plain operators of torch: any device, and differentiable.
at::Tensor fused_linear_composed(XPU_LITE_LINEAR_ARGUMENTS);
at::Tensor fused_linear_meta(XPU_LITE_LINEAR_ARGUMENTS);
at::Tensor fused_linear_autograd(XPU_LITE_LINEAR_ARGUMENTS);
at::Tensor fused_linear_autocast(XPU_LITE_LINEAR_ARGUMENTS);

} // namespace xpu_lite::aten
