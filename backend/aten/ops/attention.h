#pragma once

// Scaled dot product attention. torch's own CPU flash kernel serves what it can
// (route 2); the rest goes to the blocked kernel of backend/cpu/kernels/attention.h
// through the overrideable operator; what neither takes is composed by torch.

#include <array>
#include <optional>
#include <tuple>

#include <ATen/core/Tensor.h>
#include <c10/core/SymInt.h>

namespace xpu_lite::aten {

// The SDPBackend that scaled_dot_product_attention shall use. Looks at no data.
int64_t fused_sdp_choice(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         const std::optional<at::Tensor>& attn_mask, double dropout_p,
                         bool is_causal, std::optional<double> scale, bool enable_gqa);

using FusedAttentionResult =
    std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, c10::SymInt, c10::SymInt,
               at::Tensor, at::Tensor, at::Tensor>;

// query [(batch,) heads, L, E], key [(batch,) kv_heads, S, E], value [.., S, Ev]; kv_heads
// divides heads. attn_bias broadcasts to [(batch,) heads, L, S]. Returns the output, the
// log of the softmax's denominators [batch, heads, L], and where the dropout's random
// numbers begin, as CPU scalars; the rest is undefined.
FusedAttentionResult fused_attention(const at::Tensor& query, const at::Tensor& key,
                                     const at::Tensor& value,
                                     const std::optional<at::Tensor>& attn_bias, double dropout_p,
                                     bool is_causal, bool return_debug_mask,
                                     std::optional<double> scale);

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> fused_attention_backward(
    const at::Tensor& grad_out, const at::Tensor& query, const at::Tensor& key,
    const at::Tensor& value, const at::Tensor& attn_bias, std::array<bool, 4> grad_input_mask,
    const at::Tensor& out, const at::Tensor& logsumexp, const at::Tensor& cum_seq_q,
    const at::Tensor& cum_seq_k, c10::SymInt max_q, c10::SymInt max_k, double dropout_p,
    bool is_causal, const at::Tensor& philox_seed, const at::Tensor& philox_offset,
    std::optional<double> scale);

// The same for autograd: its own derivative is taken through the formula, in memory
// quadratic in the length.
std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> fused_attention_backward_autograd(
    const at::Tensor& grad_out, const at::Tensor& query, const at::Tensor& key,
    const at::Tensor& value, const at::Tensor& attn_bias, std::array<bool, 4> grad_input_mask,
    const at::Tensor& out, const at::Tensor& logsumexp, const at::Tensor& cum_seq_q,
    const at::Tensor& cum_seq_k, c10::SymInt max_q, c10::SymInt max_k, double dropout_p,
    bool is_causal, const at::Tensor& philox_seed, const at::Tensor& philox_offset,
    std::optional<double> scale);

// For callers that skipped the choice: an error that shows all arguments.
void check_attention_inputs(const at::Tensor& query, const at::Tensor& key,
                            const at::Tensor& value, const std::optional<at::Tensor>& mask,
                            double dropout_p, bool is_causal);

// The dropout factors [batch, heads, L, S] of a forward pass over these sizes, in float, or
// double for a double query. The host engine's function; the SYCL engine sets its own when its
// operators are loaded.
using AttentionDropoutFactors = at::Tensor (*)(const at::Tensor& query, const at::Tensor& key,
                                               const at::Tensor& value, double dropout_p,
                                               const at::Tensor& philox_seed,
                                               const at::Tensor& philox_offset);
extern AttentionDropoutFactors attention_dropout_factors;

} // namespace xpu_lite::aten
