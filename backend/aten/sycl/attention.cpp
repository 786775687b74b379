#include "backend/aten/sycl/attention.h"

#include <cmath>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/scalar_tensor.h>

#include "backend/aten/generator.h"
#include "backend/aten/ops/attention_layout.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/attention.h"

namespace xpu_lite::aten::sycl {

namespace {

using at::Tensor;

constexpr const char* kForward = "scaled_dot_product_attention";
constexpr const char* kBackward = "scaled_dot_product_attention_backward";

xpu::AttentionView attention_view(const Tensor& t) {
  const bool batched = t.dim() == 4;
  return {xpu::device_pointer(t.data_ptr()), batched ? t.stride(0) : 0, t.stride(-3), t.stride(-2),
          t.stride(-1)};
}

// A view with stride 0 wherever `t` is broadcast, for dimensions from the right.
xpu::AttentionView broadcast_view(const Tensor& t) {
  auto stride = [&](int64_t from_right) {
    return t.dim() < from_right || t.size(-from_right) == 1 ? 0 : t.stride(-from_right);
  };
  return {xpu::device_pointer(t.data_ptr()), stride(4), stride(3), stride(2), stride(1)};
}

xpu::AttentionProblem problem_of(const Tensor& q, const Tensor& k, const Tensor& v,
                                 double dropout_p, bool is_causal, std::optional<double> scale) {
  xpu::AttentionProblem p;
  p.type = dtype_of(kForward, q.scalar_type());
  p.batch = q.dim() == 4 ? q.size(0) : 1;
  p.heads = q.size(-3), p.kv_heads = k.size(-3);
  p.queries = q.size(-2), p.keys = k.size(-2);
  p.width = q.size(-1), p.value_width = v.size(-1);
  p.scale = scale.value_or(1.0 / std::sqrt(static_cast<double>(p.width)));
  p.causal = is_causal;
  p.dropout = dropout_p;
  return p;
}

void set_bias(xpu::AttentionProblem& p, xpu::AttentionView& view, const std::optional<Tensor>& bias,
              const Tensor& query) {
  if (!bias.has_value() || !bias->defined()) return;
  view = broadcast_view(*bias);
  p.float_bias = bias->scalar_type() == at::kFloat && query.scalar_type() != at::kFloat;
}

// bfloat16 and half queries may have a float mask.
void check(const Tensor& q, const Tensor& k, const Tensor& v, const std::optional<Tensor>& mask,
           double dropout_p, bool is_causal) {
  std::optional<Tensor> same = mask;
  const bool narrow = q.scalar_type() == at::kHalf || q.scalar_type() == at::kBFloat16;
  if (narrow && mask && mask->defined() && mask->scalar_type() == at::kFloat) {
    same = at::empty(mask->sizes(), q.options());
  }
  check_attention_inputs(q, k, v, same, dropout_p, is_causal);
}

Tensor bytes(size_t n, const Tensor& like) {
  return at::empty({static_cast<int64_t>(n)}, like.options().dtype(at::kByte));
}

Tensor new_logsumexp(const xpu::AttentionProblem& p, const Tensor& query) {
  const bool wide = query.scalar_type() == at::kDouble;
  return at::empty({p.batch, p.heads, p.queries},
                   query.options().dtype(wide ? at::kDouble : at::kFloat));
}

void forward(xpu::AttentionForward& call, const Tensor& query, const Tensor& key,
             const Tensor& value, const std::optional<Tensor>& bias, const Tensor& out,
             const Tensor& lse) {
  call.query = attention_view(query), call.key = attention_view(key), call.value = attention_view(value);
  call.out = attention_view(out);
  call.logsumexp = sycl::out(lse);
  set_bias(call.problem, call.bias, bias, query);
  const Tensor scratch = bytes(xpu::attention_scratch(call), query);
  run(kForward, query,
      [&](Stream& stream) { xpu::attention_forward(stream, call, sycl::out(scratch)); });
}

void backward(xpu::AttentionBackward& call, const Tensor& grad_out, const Tensor& query,
              const Tensor& key, const Tensor& value, const std::optional<Tensor>& bias,
              const Tensor& out, const Tensor& logsumexp, const Tensor& grad_query,
              const Tensor& grad_key, const Tensor& grad_value) {
  const Tensor lse = logsumexp.contiguous();
  call.query = attention_view(query), call.key = attention_view(key), call.value = attention_view(value);
  call.out = attention_view(out), call.grad_out = attention_view(grad_out);
  call.logsumexp = sycl::in(lse);
  call.grad_query = attention_view(grad_query), call.grad_key = attention_view(grad_key);
  call.grad_value = attention_view(grad_value);
  set_bias(call.problem, call.bias, bias, query);
  const Tensor scratch = bytes(xpu::attention_scratch(call), query);
  run(kBackward, query,
      [&](Stream& stream) { xpu::attention_backward(stream, call, sycl::out(scratch)); });
}

Tensor dropout_factors(const Tensor& query, const Tensor& key, const Tensor& value,
                       double dropout_p, const Tensor& philox_seed, const Tensor& philox_offset) {
  xpu::AttentionProblem p = problem_of(query, key, value, dropout_p, false, 1.0);
  p.seed = static_cast<uint64_t>(philox_seed.item<int64_t>());
  p.offset = static_cast<uint64_t>(philox_offset.item<int64_t>());
  const bool wide = query.scalar_type() == at::kDouble;
  Tensor factors = at::empty({p.batch, p.heads, p.queries, p.keys},
                             query.options().dtype(wide ? at::kDouble : at::kFloat));
  run("attention_dropout_factors", query, [&](Stream& stream) {
    xpu::attention_dropout_factors(stream, p, sycl::out(factors));
  });
  return factors;
}

[[maybe_unused]] const bool factors_set = (attention_dropout_factors = &dropout_factors, true);

} // namespace

FusedAttentionResult fused_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                     const std::optional<Tensor>& attn_bias, double dropout_p,
                                     bool is_causal, bool /*return_debug_mask*/,
                                     std::optional<double> scale) {
  check(query, key, value, attn_bias, dropout_p, is_causal);
  xpu::AttentionForward call;
  xpu::AttentionProblem& p = call.problem;
  p = problem_of(query, key, value, dropout_p, is_causal, scale);
  if (dropout_p > 0) {
    const PhiloxState random = reserve_philox(std::nullopt, query.device().index());
    p.seed = random.seed, p.offset = random.offset;
  }
  auto sizes = query.sizes().vec();
  sizes.back() = p.value_width;
  Tensor out = flash_layout(query, key, value, attn_bias, dropout_p)
                   ? at::empty_like(query)
                   : at::empty(sizes, query.options());
  Tensor lse = new_logsumexp(p, query);
  forward(call, query, key, value, attn_bias, out, lse);
  const auto host = at::TensorOptions().dtype(at::kLong).device(at::kCPU);
  return {std::move(out),
          std::move(lse),
          Tensor(),
          Tensor(),
          p.queries,
          p.keys,
          at::scalar_tensor(static_cast<int64_t>(p.seed), host),
          at::scalar_tensor(static_cast<int64_t>(p.offset), host),
          Tensor()};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> fused_attention_backward(
    const Tensor& grad_out, const Tensor& query, const Tensor& key, const Tensor& value,
    const Tensor& attn_bias, std::array<bool, 4> grad_input_mask, const Tensor& out,
    const Tensor& logsumexp, const Tensor& /*cum_seq_q*/, const Tensor& /*cum_seq_k*/,
    c10::SymInt /*max_q*/, c10::SymInt /*max_k*/, double dropout_p, bool is_causal,
    const Tensor& philox_seed, const Tensor& philox_offset, std::optional<double> scale) {
  if (!grad_out.defined()) return {};
  const std::optional<Tensor> mask =
      attn_bias.defined() ? std::optional<Tensor>(attn_bias) : std::nullopt;
  check(query, key, value, mask, dropout_p, is_causal);
  xpu::AttentionBackward call;
  call.problem = problem_of(query, key, value, dropout_p, is_causal, scale);
  if (dropout_p > 0) {
    call.problem.seed = static_cast<uint64_t>(philox_seed.item<int64_t>());
    call.problem.offset = static_cast<uint64_t>(philox_offset.item<int64_t>());
  }
  const bool by_row = flash_layout(query, key, value, mask, dropout_p);
  Tensor grad_query = empty_attention(query.sizes(), query.options(), by_row);
  Tensor grad_key = empty_key_gradient(query, key, by_row);
  Tensor grad_value = empty_attention(value.sizes(), value.options(), by_row);
  Tensor grad_bias;
  if (attn_bias.defined() && grad_input_mask[3]) {
    grad_bias = at::empty_like(attn_bias, at::MemoryFormat::Contiguous);
    call.grad_bias = broadcast_view(grad_bias);
    auto size = [&](int64_t from_right) {
      return attn_bias.dim() < from_right ? int64_t{1} : attn_bias.size(-from_right);
    };
    call.bias_batch = size(4), call.bias_heads = size(3);
    call.bias_queries = size(2), call.bias_keys = size(1);
  }
  backward(call, grad_out, query, key, value, mask, out, logsumexp, grad_query, grad_key, grad_value);
  return {std::move(grad_query), std::move(grad_key), std::move(grad_value), std::move(grad_bias)};
}

std::tuple<Tensor, Tensor> flash_attention(const Tensor& query, const Tensor& key,
                                           const Tensor& value, double dropout_p, bool is_causal,
                                           const std::optional<Tensor>& attn_mask,
                                           std::optional<double> scale) {
  TORCH_CHECK(dropout_p == 0, "[", kForward, "] flash attention has no dropout, got dropout_p ",
              dropout_p);
  TORCH_CHECK(query.dim() == 4, "[", kForward, "] flash attention takes 4 dimensions, got query ",
              query.sizes());
  check(query, key, value, attn_mask, 0, is_causal && !(attn_mask && attn_mask->defined()));
  xpu::AttentionForward call;
  call.problem = problem_of(query, key, value, 0, is_causal, scale);
  auto sizes = query.sizes().vec();
  sizes.back() = call.problem.value_width;
  Tensor out = call.problem.value_width == call.problem.width
                   ? at::empty_like(query)
                   : empty_attention(sizes, query.options(), true);
  Tensor lse = new_logsumexp(call.problem, query);
  forward(call, query, key, value, attn_mask, out, lse);
  return {std::move(out), std::move(lse)};
}

std::tuple<Tensor, Tensor, Tensor> flash_attention_backward(
    const Tensor& grad_out, const Tensor& query, const Tensor& key, const Tensor& value,
    const Tensor& out, const Tensor& logsumexp, double /*dropout_p*/, bool is_causal,
    const std::optional<Tensor>& attn_mask, std::optional<double> scale) {
  if (!grad_out.defined()) return {};
  check(query, key, value, attn_mask, 0, is_causal && !(attn_mask && attn_mask->defined()));
  xpu::AttentionBackward call;
  call.problem = problem_of(query, key, value, 0, is_causal, scale);
  Tensor grad_query = empty_attention(query.sizes(), query.options(), true);
  Tensor grad_key = empty_attention(key.sizes(), key.options(), true);
  Tensor grad_value = empty_attention(value.sizes(), value.options(), true);
  backward(call, grad_out, query, key, value, attn_mask, out, logsumexp, grad_query, grad_key,
           grad_value);
  return {std::move(grad_query), std::move(grad_key), std::move(grad_value)};
}

} // namespace xpu_lite::aten::sycl
