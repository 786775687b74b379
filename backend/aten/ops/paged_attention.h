#pragma once

// Decoding from a key/value cache in pages: xpu_lite::paged_attention and
// xpu_lite::write_paged_cache_.
//
// key_cache [pages, kv_heads, rows, width] and value_cache [pages, kv_heads, rows,
// value_width] hold many sequences: row j of sequence b is row j % rows of page
// block_tables[b, j / rows] (int32 or int64). A slot, page * rows + row, names a row.

#include <optional>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

// query [sequences, heads, width], one token of each; kv_heads divides heads;
// context_lengths [sequences], the new token counted; bias broadcasts to
// [sequences, heads, 1, the longest]. Returns [sequences, heads, value_width].
#define XPU_LITE_PAGED_ARGUMENTS                                                           \
  const at::Tensor &query, const at::Tensor &key_cache, const at::Tensor &value_cache,     \
      const at::Tensor &block_tables, const at::Tensor &context_lengths,                   \
      std::optional<double> scale, const std::optional<at::Tensor>&bias

at::Tensor paged_attention_host(XPU_LITE_PAGED_ARGUMENTS);
at::Tensor paged_attention_composed(XPU_LITE_PAGED_ARGUMENTS);
at::Tensor paged_attention_meta(XPU_LITE_PAGED_ARGUMENTS);

// key [tokens, kv_heads, width] and value into the rows that slots [tokens] name;
// negative slots are skipped.
#define XPU_LITE_PAGED_WRITE_ARGUMENTS                                                \
  at::Tensor &key_cache, at::Tensor &value_cache, const at::Tensor &key,              \
      const at::Tensor &value, const at::Tensor &slots

void write_paged_cache_host(XPU_LITE_PAGED_WRITE_ARGUMENTS);
void write_paged_cache_composed(XPU_LITE_PAGED_WRITE_ARGUMENTS);
void write_paged_cache_meta(XPU_LITE_PAGED_WRITE_ARGUMENTS);

} // namespace xpu_lite::aten
