#pragma once

// Attention by the matrix products of backend/cpu/gemm: what is done for which shape.
//
// The ordered list, best first:
//   decode          few queries a head: keys and values are read once, where they lie
//   gemm_bf16       blocks of queries against packed blocks of keys, multiplied in bfloat16
//   gemm_f32        the same in float32: for float32, and 16-bit floats without such products
//   blocked         kernels/attention.h: what the others do not take (float64), and their
//                   reference
// and for keys and values in pages:
//   decode_paged    decode, reading page by page
//   gathered        blocked, on a copy of each sequence's pages
// All keep the scores of one block at a time, with a running maximum (Dao et al.,
// FlashAttention, 2022), and leave the logarithms of the softmax's denominators for the
// backward pass, which forms the scores again.

#include <string>
#include <vector>

#include "backend/cpu/kernels/attention.h"

namespace xpu_lite::cpu::attention {

// As the kernels of kernels/attention.h: false without memory for their scratch.
bool forward(const AttentionForward& p, AttentionType type);
bool backward(const AttentionBackward& p, AttentionType type);

// Keys and values in the pages of a cache of many sequences (Kwon et al., PagedAttention,
// 2023): row j of sequence b is row j % rows of page table[b * per_sequence + j / rows].
struct AttentionPages {
  const int64_t* table = nullptr;
  int64_t per_sequence = 0;
  int64_t rows = 0; // of a page
  const int64_t* lengths = nullptr; // keys of each sequence
};
// One query for each sequence (queries is 1, causal and keys have no meaning). The first
// index of the views of key and value is the page. Without memory for scratch: false.
bool forward_paged(const AttentionForward& p, const AttentionPages& pages, AttentionType type);

// For tests: one implementation by name. Throws ValueError where it does not take the
// problem or this processor lacks its instructions.
std::vector<std::string> implementations();
bool forward_with(const std::string& name, const AttentionForward& p, AttentionType type);
bool backward_with(const std::string& name, const AttentionBackward& p, AttentionType type);
bool forward_paged_with(const std::string& name, const AttentionForward& p,
                        const AttentionPages& pages, AttentionType type);

} // namespace xpu_lite::cpu::attention
