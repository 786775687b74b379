#include "backend/aten/ops/attention.h"

#include <cmath>

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/native/transformers/attention.h>
#include <ATen/native/transformers/sdp_utils_cpp.h>
#include <ATen/ops/_fused_sdp_choice_native.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros_like.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/generator.h"
#include "backend/aten/ops/attention_layout.h"
#include "backend/aten/ops/attention_type.h"
#include "backend/cpu/attention/attention.h"

namespace xpu_lite::aten {

namespace {

using at::Tensor;

constexpr const char* kOp = "scaled_dot_product_attention";

// Tensors that transform the operators they meet (fake, batched, functorch's):
// these are traced or batched best through torch's own composition.
bool is_plain(const Tensor& t) {
  constexpr c10::DispatchKeySet kWrappers({c10::DispatchKey::Python,
                                           c10::DispatchKey::FuncTorchBatched,
                                           c10::DispatchKey::FuncTorchGradWrapper,
                                           c10::DispatchKey::Functionalize});
  return t.layout() == at::kStrided && !t.is_nested() && !t.key_set().has_any(kWrappers) &&
         !t._fw_grad(0).defined();
}

bool broadcasts(const Tensor& mask, const Tensor& query, const Tensor& key) {
  if (mask.dim() > query.dim()) return false;
  for (int64_t i = 1; i <= mask.dim(); ++i) {
    const int64_t wanted = i == 1 ? key.size(-2) : query.size(-i);
    if (mask.size(-i) != 1 && mask.size(-i) != wanted) return false;
  }
  return true;
}

// What the blocked kernel takes; sizes and types only.
bool blocked_kernel_takes(const Tensor& q, const Tensor& k, const Tensor& v,
                          const std::optional<Tensor>& mask, double dropout_p, bool is_causal,
                          bool enable_gqa) {
  if (!is_plain(q) || !is_plain(k) || !is_plain(v)) return false;
  if (!attention_type(q.scalar_type()) || k.scalar_type() != q.scalar_type() ||
      v.scalar_type() != q.scalar_type()) {
    return false;
  }
  const int64_t dims = q.dim();
  if ((dims != 3 && dims != 4) || k.dim() != dims || v.dim() != dims) return false;
  if (q.numel() == 0 || k.numel() == 0 || v.numel() == 0) return false;
  if (dims == 4 && (k.size(0) != q.size(0) || v.size(0) != q.size(0))) return false;
  const int64_t heads = q.size(-3), kv_heads = k.size(-3);
  if (v.size(-3) != kv_heads || (enable_gqa ? heads % kv_heads != 0 : heads != kv_heads)) {
    return false;
  }
  if (k.size(-1) != q.size(-1) || v.size(-2) != k.size(-2)) return false;
  if (dropout_p < 0 || dropout_p > 1) return false;
  if (mask.has_value() && mask->defined()) {
    if (is_causal || !is_plain(*mask) || mask->device() != q.device()) return false;
    if (!broadcasts(*mask, q, k)) return false;
  }
  return true;
}

// Only what is `written` is asked for as such (Note [Written since]).
cpu::AttentionView view_of(const Tensor& t, bool written = false) {
  const bool batched = t.dim() == 4;
  void* data = written ? t.mutable_data_ptr() : const_cast<void*>(t.const_data_ptr());
  return {data, batched ? t.stride(0) : 0, t.stride(-3), t.stride(-2), t.stride(-1)};
}

// A view with stride 0 wherever `t` is broadcast, for dimensions from the right.
cpu::AttentionView broadcast_view(const Tensor& t) {
  auto stride = [&](int64_t from_right) {
    return t.dim() < from_right || t.size(-from_right) == 1 ? 0 : t.stride(-from_right);
  };
  return {t.data_ptr(), stride(4), stride(3), stride(2), stride(1)};
}

cpu::AttentionShape shape_of(const Tensor& q, const Tensor& k, const Tensor& v, double dropout_p,
                             bool is_causal, std::optional<double> scale) {
  cpu::AttentionShape s;
  s.batch = q.dim() == 4 ? q.size(0) : 1;
  s.heads = q.size(-3), s.kv_heads = k.size(-3);
  s.queries = q.size(-2), s.keys = k.size(-2);
  s.width = q.size(-1), s.value_width = v.size(-1);
  s.scale = scale.value_or(1.0 / std::sqrt(static_cast<double>(s.width)));
  s.causal = is_causal;
  s.dropout = dropout_p;
  return s;
}

void check_memory(bool done) {
  TORCH_CHECK_WITH(OutOfMemoryError, done, "[", kOp, "] no host memory for scratch");
}

} // namespace

void check_attention_inputs(const Tensor& q, const Tensor& k, const Tensor& v,
                            const std::optional<Tensor>& mask, double dropout_p, bool is_causal) {
  TORCH_CHECK(blocked_kernel_takes(q, k, v, mask, dropout_p, is_causal, true),
              "[", kOp, "] the fused kernel does not take query ", q.sizes(), " ", q.scalar_type(),
              ", key ", k.sizes(), " ", k.scalar_type(), ", value ", v.sizes(), " ",
              v.scalar_type(), ", mask ", mask ? mask->sizes() : at::IntArrayRef(),
              ", dropout_p ", dropout_p, ", is_causal ", is_causal);
  TORCH_CHECK(k.device() == q.device() && v.device() == q.device(), "[", kOp,
              "] query, key and value must be on one device, got ", q.device(), ", ", k.device(),
              " and ", v.device());
  TORCH_CHECK(!mask || !mask->defined() || mask->scalar_type() == q.scalar_type(), "[", kOp,
              "] attn_bias must have the query's dtype ", q.scalar_type(), ", got ",
              mask->scalar_type());
}

int64_t fused_sdp_choice(const Tensor& query, const Tensor& key, const Tensor& value,
                         const std::optional<Tensor>& attn_mask, double dropout_p, bool is_causal,
                         std::optional<double> scale, bool enable_gqa) {
  using at::SDPBackend;
  const auto& context = at::globalContext();
  const bool ours =
      context.userEnabledOverrideableSDP() &&
      blocked_kernel_takes(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa);
  // In every other dtype ours is faster than torch's flash kernel (benchmarks/attention.py).
  // Without the math path torch's rule may raise: take ours before asking it.
  // Masks of fewer than two dimensions are torch's to refuse.
  const bool odd_mask = attn_mask && attn_mask->defined() && attn_mask->dim() < 2;
  const bool faster = query.scalar_type() != at::kDouble && !odd_mask;
  if (ours && (faster || !context.userEnabledMathSDP())) {
    return static_cast<int64_t>(SDPBackend::overrideable);
  }
  std::optional<Tensor> mask = attn_mask;
  if (mask && mask->defined() && ours && !mask->requires_grad() && mask->dim() > 0 &&
      mask->stride(-1) != 1) {
    // On the CPU a strided mask does not matter, on other devices torch's rule
    // refuses it: ask about a dense mask of the same shape.
    mask = at::empty(mask->sizes(), mask->options().device(at::kMeta));
  }
  const int64_t choice = at::native::_fused_sdp_choice_cpp(query, key, value, mask, dropout_p,
                                                           is_causal, scale, enable_gqa);
  if (choice == static_cast<int64_t>(SDPBackend::math) && ours) {
    return static_cast<int64_t>(SDPBackend::overrideable);
  }
  return choice;
}

FusedAttentionResult fused_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                     const std::optional<Tensor>& attn_bias, double dropout_p,
                                     bool is_causal, bool /*return_debug_mask*/,
                                     std::optional<double> scale) {
  check_attention_inputs(query, key, value, attn_bias, dropout_p, is_causal);
  const bool masked = attn_bias.has_value() && attn_bias->defined();
  cpu::AttentionForward p;
  p.shape = shape_of(query, key, value, dropout_p, is_causal, scale);
  if (dropout_p > 0) {
    const PhiloxState random = reserve_philox(std::nullopt, query.device().index());
    p.shape.seed = random.seed, p.shape.offset = random.offset;
  }
  auto sizes = query.sizes().vec();
  sizes.back() = p.shape.value_width;
  Tensor out = flash_layout(query, key, value, attn_bias, dropout_p)
      ? at::empty_like(query)
      : at::empty(sizes, query.options());
  const bool wide = query.scalar_type() == at::kDouble;
  Tensor lse = at::empty({p.shape.batch, p.shape.heads, p.shape.queries},
                         query.options().dtype(wide ? at::kDouble : at::kFloat));
  p.query = view_of(query), p.key = view_of(key), p.value = view_of(value);
  p.out = view_of(out, true);
  p.logsumexp = lse.data_ptr();
  std::vector<Tensor> keep{query, key, value, out, lse};
  if (masked) {
    p.bias = broadcast_view(*attn_bias);
    keep.push_back(*attn_bias);
  }
  const cpu::AttentionType type = *attention_type(query.scalar_type());
  launch("_scaled_dot_product_fused_attention_overrideable", std::move(keep),
         [p, type] { check_memory(cpu::attention::forward(p, type)); });
  const auto host = at::TensorOptions().dtype(at::kLong).device(at::kCPU);
  return {std::move(out),
          std::move(lse),
          Tensor(),
          Tensor(),
          p.shape.queries,
          p.shape.keys,
          at::scalar_tensor(static_cast<int64_t>(p.shape.seed), host),
          at::scalar_tensor(static_cast<int64_t>(p.shape.offset), host),
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
  check_attention_inputs(query, key, value, mask, dropout_p, is_causal);
  cpu::AttentionBackward p;
  p.shape = shape_of(query, key, value, dropout_p, is_causal, scale);
  if (dropout_p > 0) {
    p.shape.seed = static_cast<uint64_t>(philox_seed.item<int64_t>());
    p.shape.offset = static_cast<uint64_t>(philox_offset.item<int64_t>());
  }
  const Tensor lse = logsumexp.contiguous();
  const bool by_row = flash_layout(query, key, value, mask, dropout_p);
  Tensor grad_query = empty_attention(query.sizes(), query.options(), by_row);
  Tensor grad_value = empty_attention(value.sizes(), value.options(), by_row);
  Tensor grad_key = empty_key_gradient(query, key, by_row);
  p.query = view_of(query), p.key = view_of(key), p.value = view_of(value);
  p.out = view_of(out), p.grad_out = view_of(grad_out);
  p.logsumexp = lse.data_ptr();
  p.grad_query = view_of(grad_query, true), p.grad_key = view_of(grad_key, true);
  p.grad_value = view_of(grad_value, true);
  std::vector<Tensor> keep{query,    key,        value,    out,       grad_out,
                           lse,      grad_query, grad_key, grad_value};
  Tensor grad_bias;
  if (attn_bias.defined()) {
    p.bias = broadcast_view(attn_bias);
    keep.push_back(attn_bias);
    if (grad_input_mask[3]) {
      grad_bias = at::empty_like(attn_bias, at::MemoryFormat::Contiguous);
      p.grad_bias = broadcast_view(grad_bias);
      auto size = [&](int64_t from_right) {
        return attn_bias.dim() < from_right ? int64_t{1} : attn_bias.size(-from_right);
      };
      p.bias_batch = size(4), p.bias_heads = size(3);
      p.bias_queries = size(2), p.bias_keys = size(1);
      keep.push_back(grad_bias);
    }
  }
  const cpu::AttentionType type = *attention_type(query.scalar_type());
  launch("_scaled_dot_product_fused_attention_overrideable_backward", std::move(keep),
         [p, type] { check_memory(cpu::attention::backward(p, type)); });
  return {std::move(grad_query), std::move(grad_key), std::move(grad_value),
          std::move(grad_bias)};
}

namespace {

Tensor host_dropout_factors(const Tensor& query, const Tensor& key, const Tensor& value,
                            double dropout_p, const Tensor& philox_seed,
                            const Tensor& philox_offset) {
  cpu::AttentionShape s = shape_of(query, key, value, dropout_p, false, 1.0);
  s.seed = static_cast<uint64_t>(philox_seed.item<int64_t>());
  s.offset = static_cast<uint64_t>(philox_offset.item<int64_t>());
  const bool wide = query.scalar_type() == at::kDouble;
  Tensor factors = at::empty({s.batch, s.heads, s.queries, s.keys},
                             query.options().dtype(wide ? at::kDouble : at::kFloat));
  void* const data = factors.data_ptr();
  const cpu::AttentionType type = *attention_type(query.scalar_type());
  launch("attention_dropout_factors", {factors},
         [s, data, type] { cpu::attention_dropout_factors(s, data, type); });
  return factors;
}

} // namespace

AttentionDropoutFactors attention_dropout_factors = &host_dropout_factors;

} // namespace xpu_lite::aten

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(_fused_sdp_choice_stub, &xpu_lite::aten::fused_sdp_choice)
} // namespace at::native
