#include "backend/aten/ops/transformer_layer.h"

#include <ATen/autocast_mode.h>
#include <ATen/ops/_native_multi_head_attention_ops.h>
#include <ATen/ops/_transformer_encoder_layer_fwd_ops.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include "backend/aten/core/route2.h"
#include "backend/aten/ops/linear_operands.h"

namespace xpu_lite::aten {
namespace {

using at::Tensor;

// Self-attention of a batch of sequences, dense, without a mask.
bool is_composed(const Tensor& query, const Tensor& key, const Tensor& value, int64_t width,
                 int64_t heads, const Tensor& qkv_weight, const std::optional<Tensor>& mask) {
  return query.is_same(key) && key.is_same(value) && !given(mask) && query.dim() == 3 &&
      query.numel() != 0 && query.size(-1) == width && heads > 0 && width % heads == 0 &&
      qkv_weight.dim() == 2 && qkv_weight.size(0) == 3 * width && qkv_weight.size(1) == width &&
      is_host_operand(query) && is_host_operand(qkv_weight);
}

Tensor self_attention(const Tensor& x, int64_t width, int64_t heads, const Tensor& qkv_weight,
                      const Tensor& qkv_bias, const Tensor& proj_weight,
                      const Tensor& proj_bias) {
  const int64_t batch = x.size(0), length = x.size(1);
  const Tensor joined = at::linear(x, qkv_weight, qkv_bias)
                            .view({batch, length, 3, heads, width / heads})
                            .permute({2, 0, 3, 1, 4});
  const Tensor attended = at::scaled_dot_product_attention(joined[0], joined[1], joined[2]);
  return at::linear(attended.transpose(1, 2).reshape({batch, length, width}), proj_weight,
                    proj_bias);
}

} // namespace

Tensor transformer_encoder_layer(
    const Tensor& src, int64_t embed_dim, int64_t num_heads, const Tensor& qkv_weight,
    const Tensor& qkv_bias, const Tensor& proj_weight, const Tensor& proj_bias, bool use_gelu,
    bool norm_first, double eps, const Tensor& norm_weight_1, const Tensor& norm_bias_1,
    const Tensor& norm_weight_2, const Tensor& norm_bias_2, const Tensor& ffn_weight_1,
    const Tensor& ffn_bias_1, const Tensor& ffn_weight_2, const Tensor& ffn_bias_2,
    const std::optional<Tensor>& mask, std::optional<int64_t> mask_type) {
  if (!is_composed(src, src, src, embed_dim, num_heads, qkv_weight, mask)) {
    return Route2<at::_ops::_transformer_encoder_layer_fwd, kDefault>::call(
        src, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, use_gelu,
        norm_first, eps, norm_weight_1, norm_bias_1, norm_weight_2, norm_bias_2, ffn_weight_1,
        ffn_bias_1, ffn_weight_2, ffn_bias_2, mask, mask_type);
  }
  const auto norm = [&](const Tensor& x, const Tensor& weight, const Tensor& bias) {
    return at::layer_norm(x, {embed_dim}, weight, bias, eps);
  };
  const auto attention = [&](const Tensor& x) {
    return self_attention(x, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias);
  };
  const auto feed_forward = [&](const Tensor& x) {
    const Tensor inner = at::linear(x, ffn_weight_1, ffn_bias_1);
    return at::linear(use_gelu ? at::gelu(inner) : at::relu(inner), ffn_weight_2, ffn_bias_2);
  };
  if (norm_first) {
    const Tensor x = src.add(attention(norm(src, norm_weight_1, norm_bias_1)));
    return x.add(feed_forward(norm(x, norm_weight_2, norm_bias_2)));
  }
  const Tensor x = norm(src.add(attention(src)), norm_weight_1, norm_bias_1);
  return norm(x.add(feed_forward(x)), norm_weight_2, norm_bias_2);
}

std::tuple<Tensor, Tensor> native_multi_head_attention(
    const Tensor& query, const Tensor& key, const Tensor& value, int64_t embed_dim,
    int64_t num_heads, const Tensor& qkv_weight, const Tensor& qkv_bias,
    const Tensor& proj_weight, const Tensor& proj_bias, const std::optional<Tensor>& mask,
    bool need_weights, bool average_weights, std::optional<int64_t> mask_type) {
  if (need_weights ||
      !is_composed(query, key, value, embed_dim, num_heads, qkv_weight, mask)) {
    return Route2<at::_ops::_native_multi_head_attention, kDefault>::call(
        query, key, value, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias,
        mask, need_weights, average_weights, mask_type);
  }
  return {self_attention(query, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight,
                         proj_bias),
          Tensor()};
}

} // namespace xpu_lite::aten
