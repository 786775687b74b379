#pragma once

// Scaled dot product attention on a stream, in memory linear in the sequence length,
// forward and backward. Torch-free; the aten side allocates. Addresses have passed
// device_pointer().

#include <cstddef>

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/attention_args.h"

namespace xpu_lite::xpu {

struct AttentionProblem {
  DType type = DType::F32; // F32, F64, F16 or BF16: of all operands and results
  int64_t batch = 0, heads = 0, kv_heads = 0, queries = 0, keys = 0, width = 0, value_width = 0;
  double scale = 1;
  bool causal = false; // query i sees keys 0..i
  double dropout = 0;  // as the host engine's: backend/cpu/kernels/attention.h
  uint64_t seed = 0, offset = 0;
  bool float_bias = false; // F16 and BF16: the bias is F32
};

struct AttentionForward {
  AttentionProblem problem;
  AttentionView query, key, value, bias, out;
  void* logsumexp = nullptr; // [b, h, queries]: float, or double for F64
};

struct AttentionBackward {
  AttentionProblem problem;
  AttentionView query, key, value, bias, out, grad_out;
  const void* logsumexp = nullptr;
  AttentionView grad_query, grad_key, grad_value;
  AttentionView grad_bias; // absent, or with the sizes below
  int64_t bias_batch = 1, bias_heads = 1, bias_queries = 1, bias_keys = 1;
};

// Bytes of device memory the calls need for themselves: linear in both lengths (and
// in the size of grad_bias).
size_t attention_scratch(const AttentionForward&);
size_t attention_scratch(const AttentionBackward&);

void attention_forward(Stream& stream, const AttentionForward& call, void* scratch);
void attention_backward(Stream& stream, const AttentionBackward& call, void* scratch);
// The dropout factors [b, h, queries, keys] of a forward pass.
void attention_dropout_factors(Stream& stream, const AttentionProblem& problem, void* factors);

} // namespace xpu_lite::xpu
