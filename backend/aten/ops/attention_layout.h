#pragma once

// How attention's output and gradients lie in memory: as on the CPU, which has a layout for
// each of the paths that scaled_dot_product_attention may take there.

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <optional>
#include <utility>

namespace xpu_lite::aten {

// Would the CPU take torch's flash kernel? Its output is laid out as the query is, and its
// gradients by rows of all heads.
inline bool flash_layout(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                         const std::optional<at::Tensor>& mask, double dropout_p) {
  if (q.dim() != 4 || dropout_p != 0 || v.size(-1) != q.size(-1) || q.stride(-1) != 1 ||
      k.stride(-1) != 1 || v.stride(-1) != 1 || !at::globalContext().userEnabledFlashSDP()) {
    return false;
  }
  return !mask || !mask->defined() ||
      ((mask->dim() == 2 || mask->dim() == 4) && !mask->requires_grad());
}

// [batch, heads, length, width], in memory by rows of all heads if `by_row`.
inline at::Tensor empty_attention(at::IntArrayRef sizes, const at::TensorOptions& options,
                                  bool by_row) {
  if (!by_row) return at::empty(sizes, options);
  return at::empty({sizes[0], sizes[2], sizes[1], sizes[3]}, options).transpose(1, 2);
}

// The gradient of the key.
inline at::Tensor empty_key_gradient(const at::Tensor& query, const at::Tensor& key,
                                     bool by_row) {
  if (by_row || query.size(-3) != key.size(-3)) {
    return empty_attention(key.sizes(), key.options(), by_row);
  }
  // The CPU composes it as that of a transposed key, whose layout it keeps.
  auto transposed = key.sizes().vec();
  std::swap(transposed[transposed.size() - 1], transposed[transposed.size() - 2]);
  return at::empty(transposed, key.options()).transpose(-1, -2);
}

} // namespace xpu_lite::aten
