// The derivative of attention's backward pass. It recomputes attention by its formula,
// with the dropout mask of the forward pass, and lets autograd differentiate twice.

#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/_safe_softmax.h>
#include <ATen/ops/_scaled_dot_product_fused_attention_overrideable_backward.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "backend/aten/ops/attention.h"

namespace xpu_lite::aten {

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Options {
  double dropout_p;
  bool is_causal;
  std::optional<double> scale;
  Tensor philox_seed, philox_offset;
};

// Attention by its formula, in float for bfloat16 and half.
Tensor formula(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias,
               const Options& o) {
  const at::ScalarType type = query.scalar_type();
  const at::ScalarType wide = type == at::kDouble ? at::kDouble : at::kFloat;
  const int64_t group = query.size(-3) / key.size(-3);
  const double scale = o.scale.value_or(1.0 / std::sqrt(static_cast<double>(query.size(-1))));
  const Tensor k = group == 1 ? key.to(wide) : key.to(wide).repeat_interleave(group, -3);
  const Tensor v = group == 1 ? value.to(wide) : value.to(wide).repeat_interleave(group, -3);
  Tensor scores = at::matmul(query.to(wide) * scale, k.transpose(-1, -2));
  if (bias.defined()) scores = scores + bias.to(wide);
  if (o.is_causal) {
    const Tensor hidden =
        at::ones({query.size(-2), key.size(-2)}, query.options().dtype(at::kBool)).triu(1);
    scores = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
  }
  Tensor weights = at::_safe_softmax(scores, -1);
  if (o.dropout_p > 0) {
    const Tensor factors = attention_dropout_factors(query.detach(), key.detach(), value.detach(),
                                                     o.dropout_p, o.philox_seed, o.philox_offset);
    weights = weights * factors.reshape(weights.sizes());
  }
  return at::matmul(weights, v).to(type);
}

struct FusedAttentionBackward : torch::autograd::Function<FusedAttentionBackward> {
  static variable_list forward(AutogradContext* ctx, const Tensor& grad_out, const Tensor& query,
                               const Tensor& key, const Tensor& value,
                               const std::optional<Tensor>& bias_, std::array<bool, 4> mask, const Tensor& out,
                               const Tensor& logsumexp, double dropout_p, bool is_causal,
                               const Tensor& philox_seed, const Tensor& philox_offset,
                               std::optional<double> scale) {
    const Tensor bias = bias_.value_or(Tensor());
    ctx->save_for_backward({grad_out, query, key, value, bias});
    ctx->saved_data["options"] = std::make_tuple(dropout_p, is_causal, scale);
    ctx->saved_data["seed"] = philox_seed;
    ctx->saved_data["offset"] = philox_offset;
    at::AutoDispatchBelowADInplaceOrView below;
    auto [gq, gk, gv, gb] = at::_scaled_dot_product_fused_attention_overrideable_backward(
        grad_out, query, key, value, bias, mask, out, logsumexp, Tensor(), Tensor(),
        query.size(-2), key.size(-2), dropout_p, is_causal, philox_seed, philox_offset, scale);
    variable_list gradients{gq, gk, gv}; // an output must be defined
    if (gb.defined()) gradients.push_back(gb);
    return gradients;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto [dropout_p, is_causal, scale] =
        ctx->saved_data["options"].to<std::tuple<double, bool, std::optional<double>>>();
    const Options options{dropout_p, is_causal, scale, ctx->saved_data["seed"].toTensor(),
                          ctx->saved_data["offset"].toTensor()};
    const bool again = at::GradMode::is_enabled(); // derivatives of this one, too
    at::AutoGradMode on(true);
    // Points to differentiate at: aliases that still lead to the originals if this
    // derivative is itself to be differentiated.
    variable_list inputs = ctx->get_saved_variables();
    for (Tensor& t : inputs) {
      if (!t.defined()) continue;
      t = again && t.requires_grad() ? t.view_as(t) : t.detach().requires_grad_();
    }
    const auto& [grad_out, query, key, value] =
        std::tie(inputs[0], inputs[1], inputs[2], inputs[3]);
    const Tensor out = formula(query, key, value, inputs[4], options);
    variable_list first{query, key, value};
    if (inputs[4].defined()) first.push_back(inputs[4]);
    const variable_list gradients =
        torch::autograd::grad({out}, first, {grad_out}, /*retain_graph=*/true,
                              /*create_graph=*/true);
    variable_list outputs, weights;
    for (size_t i = 0; i < grads.size(); ++i) {
      if (!grads[i].defined()) continue;
      outputs.push_back(gradients[i]);
      weights.push_back(grads[i]);
    }
    variable_list result(13);
    if (outputs.empty()) return result;
    first.insert(first.begin(), grad_out);
    const variable_list second = torch::autograd::grad(
        outputs, first, weights, /*retain_graph=*/again, /*create_graph=*/again,
        /*allow_unused=*/true);
    std::copy(second.begin(), second.end(), result.begin());
    return result;
  }
};

} // namespace

std::tuple<Tensor, Tensor, Tensor, Tensor> fused_attention_backward_autograd(
    const Tensor& grad_out, const Tensor& query, const Tensor& key, const Tensor& value,
    const Tensor& attn_bias, std::array<bool, 4> grad_input_mask, const Tensor& out,
    const Tensor& logsumexp, const Tensor& cum_seq_q, const Tensor& cum_seq_k, c10::SymInt max_q,
    c10::SymInt max_k, double dropout_p, bool is_causal, const Tensor& philox_seed,
    const Tensor& philox_offset, std::optional<double> scale) {
  if (!grad_out.defined()) return {};
  auto wanted = [](const Tensor& t) { return t.defined() && t.requires_grad(); };
  if (!at::GradMode::is_enabled() ||
      !(wanted(grad_out) || wanted(query) || wanted(key) || wanted(value) || wanted(attn_bias))) {
    at::AutoDispatchBelowADInplaceOrView below;
    return at::_scaled_dot_product_fused_attention_overrideable_backward_symint(
        grad_out, query, key, value, attn_bias, grad_input_mask, out, logsumexp, cum_seq_q,
        cum_seq_k, std::move(max_q), std::move(max_k), dropout_p, is_causal, philox_seed,
        philox_offset, scale);
  }
  // Function takes an absent tensor as an empty optional only.
  const auto bias = attn_bias.defined() ? std::optional<Tensor>(attn_bias) : std::nullopt;
  auto result = FusedAttentionBackward::apply(grad_out, query, key, value, bias, grad_input_mask,
                                              out, logsumexp, dropout_p,
                                              is_causal, philox_seed, philox_offset, scale);
  return {result[0], result[1], result[2], result.size() > 3 ? result[3] : Tensor()};
}

} // namespace xpu_lite::aten
