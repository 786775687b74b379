#pragma once

// Scaled dot product attention of the SYCL engine, behind the operators that
// torch.nn.functional.scaled_dot_product_attention chooses on the CPU ("flash") and
// for other devices ("overrideable"). One kernel serves both: they differ in the
// layout of their results, which is the CPU's. fused_sdp_choice and the second
// derivative are the host engine's (backend/aten/ops/attention.h).

#include "backend/aten/ops/attention.h"

namespace xpu_lite::aten::sycl {

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

// Returns the output, laid out as the query, and the log of the softmax's
// denominators [batch, heads, L]. dropout_p must be 0, as on the CPU.
std::tuple<at::Tensor, at::Tensor> flash_attention(const at::Tensor& query, const at::Tensor& key,
                                                   const at::Tensor& value, double dropout_p,
                                                   bool is_causal,
                                                   const std::optional<at::Tensor>& attn_mask,
                                                   std::optional<double> scale);

std::tuple<at::Tensor, at::Tensor, at::Tensor> flash_attention_backward(
    const at::Tensor& grad_out, const at::Tensor& query, const at::Tensor& key,
    const at::Tensor& value, const at::Tensor& out, const at::Tensor& logsumexp, double dropout_p,
    bool is_causal, const std::optional<at::Tensor>& attn_mask, std::optional<double> scale);

} // namespace xpu_lite::aten::sycl
