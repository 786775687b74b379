#pragma once

// Scaled dot product attention in memory linear in the sequence length, forward
// and backward, with what torch's own CPU kernel does not take: dropout, three
// dimensions, other head sizes for values, gradients of the additive mask.
// Scores exist one block at a time and are computed again in the backward pass
// (Dao et al., FlashAttention, 2022).

#include <cstdint>

#include "backend/cpu/dispatch.h"

namespace xpu_lite::cpu {

enum class AttentionType : int { Float, Double, BFloat16, Half };

// A [batch, heads, length, width] tensor; strides in elements, 0 to broadcast.
struct AttentionView {
  void* data = nullptr; // null: absent
  int64_t batch = 0, head = 0, row = 0, column = 0;
};

struct AttentionShape {
  int64_t batch = 0, heads = 0, kv_heads = 0; // kv_heads divides heads
  int64_t queries = 0, keys = 0;
  int64_t width = 0, value_width = 0;
  double scale = 1;
  bool causal = false; // query i sees keys 0..i
  // An attention weight is kept when its 32 random bits are below
  // ceil((1 - dropout) * 2^32), and is then divided by 1 - dropout. The bits are
  // a function of seed, offset and the weight's position (Note [Philox layout]):
  // the same in both passes and for any number of threads.
  double dropout = 0;
  uint64_t seed = 0, offset = 0;
};

struct AttentionForward {
  AttentionShape shape;
  AttentionView query, key, value, bias, out;
  // [batch, heads, queries], contiguous; float, or double for Double. Infinity
  // for a query that sees no key; its output is zero.
  void* logsumexp = nullptr;
};

struct AttentionBackward {
  AttentionShape shape;
  AttentionView query, key, value, bias, out, grad_out;
  const void* logsumexp = nullptr;
  AttentionView grad_query, grad_key, grad_value; // all present
  // Absent, or the gradient of `bias`, whose own (not broadcast) sizes these are.
  AttentionView grad_bias;
  int64_t bias_batch = 1, bias_heads = 1, bias_queries = 1, bias_keys = 1;
};

} // namespace xpu_lite::cpu

// Both return false when the host has no memory for their scratch, whose size per
// thread does not depend on the number of queries times keys.
XPU_LITE_DECLARE_KERNEL(attention_forward, bool(const AttentionForward&, AttentionType));
XPU_LITE_DECLARE_KERNEL(attention_backward, bool(const AttentionBackward&, AttentionType));
// Writes out the dropout factors, 0 or 1 / (1 - dropout), [batch, heads, queries, keys]
// contiguous, double for Double and else float. Memory is not linear here: it serves
// derivatives of the backward pass only.
XPU_LITE_DECLARE_KERNEL(attention_dropout_factors, void(const AttentionShape&, void*, AttentionType));
