#pragma once

// mm and addmm by the GEMM for packed weights (Note [Packed weights]).

#include <optional>

#include <ATen/core/Tensor.h>
#include <c10/core/Scalar.h>

namespace xpu_lite::aten {

// beta * bias + alpha * (a b), for `bias` undefined, [n], [1, n] or [m, n]. Nothing where
// the operands are not for it: another dtype, transposed, too small, queued work.
std::optional<at::Tensor> packed_product(const char* name, const at::Tensor& bias,
                                         const at::Tensor& a, const at::Tensor& b,
                                         const at::Scalar& beta, const at::Scalar& alpha);

} // namespace xpu_lite::aten
