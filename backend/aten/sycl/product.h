#pragma once

// out = activation(alpha * (a @ b) + beta * self), for matrices or batches of them:
// what every matrix operator of the SYCL engine comes down to.

#include <ATen/core/Tensor.h>

#include "backend/xpu/ops/onednn.h"

namespace xpu_lite::aten::sycl {

struct Product {
  const char* op; // a string literal, for errors and profiles
  at::Tensor a, b, out;  // [m, k] [k, n] [m, n], or [batch, ..] of all
  at::Tensor self = {};  // expands to out; may be out itself; not read if beta is 0
  at::Scalar beta = 0, alpha = 1;
  xpu::onednn::Activation activation = xpu::onednn::Activation::None;
};

// `dispatch` names the operator in "not implemented for", as the CPU does.
void multiply(const char* dispatch, Product product);

// oneDNN, or null; says once per process that it is missing.
xpu::onednn::Library* onednn_library();

} // namespace xpu_lite::aten::sycl
