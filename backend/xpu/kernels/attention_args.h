#pragma once

// Arguments of the attention kernels. Nothing here is a double: a kernel that names
// one would need fp64.

#include <cstdint>

namespace xpu_lite::xpu {

// A block of scores: one sub-group's rows times this many keys.
constexpr int kAttentionLanes = 16;     // sub-group size of these kernels
constexpr int kAttentionTileRows = 8;   // rows of a tile kept in registers
constexpr int kAttentionQueries = 32;   // rows of a block
constexpr int kAttentionKeys = 64;      // columns of a block
constexpr int kAttentionWidthPad = 32;  // widths of packed tensors are padded to this
constexpr int kAttentionMaxTeams = kAttentionQueries / kAttentionTileRows;

// A [batch, heads, length, width] tensor; strides in elements, 0 to broadcast.
struct AttentionView {
  void* data = nullptr; // null: absent
  int64_t batch = 0, head = 0, row = 0, column = 0;
};

struct AttentionShape {
  int64_t batch = 0, heads = 0, kv_heads = 0; // kv_heads divides heads
  int64_t queries = 0, keys = 0;
  int64_t width = 0, value_width = 0;
  // Row lengths of packed tensors: widths and numbers of keys and queries, padded.
  int64_t ldw = 0, ldv = 0, ldk = 0, rows = 0, key_rows = 0;
  int32_t causal = 0;
  int32_t float_bias = 0; // the bias is float, whatever the other operands are
  // A weight is kept when its 32 random bits are below `kept`, and then multiplied
  // by the factor.
  int32_t dropout = 0;
  uint32_t kept = 0;
  float factor = 1;
  uint64_t factor64 = 0; // bits of the same as double
  uint64_t seed = 0, offset = 0;
};

// One tensor to be packed: dst[b, h, row, ld], or with `transposed` [b, h, column, ld].
struct AttentionPackOne {
  AttentionView src;
  void* dst = nullptr;
  int64_t heads = 1, rows = 0, columns = 0, ld = 0;
  int64_t dst_head = 0; // elements of dst per head
  int64_t first_group = 0, last_group = 0; // work-groups [first, last) copy it
  int32_t transposed = 0;
  float factor = 1;
  uint64_t factor64 = 0;
};

struct AttentionPackArgs {
  static constexpr int kMax = 5;
  AttentionPackOne one[kMax];
  int32_t count = 0;
};

// Packed operands: query [b, h, rows, ldw] times scale; key_t [b, kv, width, ldk];
// value [b, kv, key_rows, ldv]; out_sum [b, h, rows, ldv].
struct AttentionForwardArgs {
  AttentionShape shape;
  const void *query = nullptr, *key_t = nullptr, *value = nullptr;
  void* out_sum = nullptr;
  AttentionView bias, out;
  void* logsumexp = nullptr; // [b, h, queries]; infinity for a row that sees no key
};

// delta[b, h, i] = grad_out . out: what the softmax subtracts from every gradient.
struct AttentionDeltaArgs {
  AttentionView grad_out, out;
  void* delta = nullptr;
  int64_t heads = 0, queries = 0, value_width = 0, total = 0;
};

enum class AttentionPart : int32_t { Whole, Keys, Queries };

// Packed: query, grad_out [b, h, rows, ldw or ldv]; key [b, kv, key_rows, ldw]; key_t,
// value_t [b, kv, width, ldk]; sums of gradients in packed form.
struct AttentionBackwardArgs {
  AttentionShape shape;
  AttentionPart part = AttentionPart::Whole;
  const void *query = nullptr, *grad_out = nullptr, *key = nullptr, *key_t = nullptr;
  const void* value_t = nullptr;
  const void *logsumexp = nullptr, *delta = nullptr;
  void *query_sum = nullptr, *key_sum = nullptr, *value_sum = nullptr;
  AttentionView bias, grad_query, grad_key, grad_value;
  float scale = 1;
  uint64_t scale64 = 0;
};

// Gradient of the bias, whose own (not broadcast) sizes these are. `sum` is
// [bias_batch, bias_heads, bias_queries, ld], ld = keys padded, or the sub-group's
// lanes if bias_keys is 1.
struct AttentionBiasArgs {
  AttentionBackwardArgs backward;
  AttentionView grad_bias;
  void* sum = nullptr;
  int64_t ld = 0;
  int64_t bias_batch = 1, bias_heads = 1, bias_queries = 1, bias_keys = 1;
};

struct AttentionFactorsArgs {
  AttentionShape shape;
  void* factors = nullptr; // [b, h, queries, keys]
};

} // namespace xpu_lite::xpu
