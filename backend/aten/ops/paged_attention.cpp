#include "backend/aten/ops/paged_attention.h"

#include <cmath>
#include <cstring>

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/ops/attention_type.h"
#include "backend/aten/ops/linear_operands.h"
#include "backend/cpu/attention/attention.h"

namespace xpu_lite::aten {
namespace {

using at::Tensor;
constexpr const char* kPaged = "xpu_lite::paged_attention";
constexpr const char* kWrite = "xpu_lite::write_paged_cache_";

bool is_index(const Tensor& t) {
  return t.scalar_type() == at::kInt || t.scalar_type() == at::kLong;
}

void check_caches(const char* name, const Tensor& like, const Tensor& key_cache,
                  const Tensor& value_cache) {
  bool fits = key_cache.dim() == 4 && value_cache.dim() == 4;
  for (int64_t d = 0; fits && d < 3; ++d) fits = key_cache.sym_size(d) == value_cache.sym_size(d);
  TORCH_CHECK(fits, "[", name, "] key_cache and value_cache must be [pages, kv_heads, rows, width], "
              "alike but for the width, got ", key_cache.sym_sizes(), " and ",
              value_cache.sym_sizes());
  for (const Tensor* cache : {&key_cache, &value_cache}) {
    TORCH_CHECK(cache->device() == like.device() && cache->scalar_type() == like.scalar_type(),
                "[", name, "] the caches must have the dtype and device of query or key, ",
                like.scalar_type(), " on ", like.device(), ", got ", cache->scalar_type(), " on ",
                cache->device());
  }
}

void check_paged(const Tensor& query, const Tensor& key_cache, const Tensor& value_cache,
                 const Tensor& block_tables, const Tensor& context_lengths,
                 const std::optional<Tensor>& bias) {
  TORCH_CHECK(query.dim() == 3 && query.is_floating_point(), "[", kPaged, "] query must be floating-"
              "point [sequences, heads, width], got ", query.scalar_type(), " of ",
              query.sym_sizes());
  check_caches(kPaged, query, key_cache, value_cache);
  TORCH_CHECK(key_cache.sym_size(3) == query.sym_size(2) && key_cache.sym_size(1) > 0 &&
                  query.sym_size(1) % key_cache.sym_size(1) == 0,
              "[", kPaged, "] query ", query.sym_sizes(), " does not fit key_cache ",
              key_cache.sym_sizes(), ": one width, and heads a multiple of kv_heads");
  TORCH_CHECK(block_tables.dim() == 2 && block_tables.sym_size(0) == query.sym_size(0) &&
                  is_index(block_tables),
              "[", kPaged, "] block_tables must be int32 or int64 [sequences, pages of a "
              "sequence], got ", block_tables.scalar_type(), " of ", block_tables.sym_sizes());
  TORCH_CHECK(context_lengths.dim() == 1 && context_lengths.sym_size(0) == query.sym_size(0) &&
                  is_index(context_lengths),
              "[", kPaged, "] context_lengths must be int32 or int64 [sequences], got ",
              context_lengths.scalar_type(), " of ", context_lengths.sym_sizes());
  TORCH_CHECK(block_tables.device() == query.device() &&
                  context_lengths.device() == query.device(),
              "[", kPaged, "] query is on ", query.device(), " but block_tables is on ",
              block_tables.device(), " and context_lengths on ", context_lengths.device());
  if (!given(bias)) return;
  TORCH_CHECK(bias->dim() == 4 && bias->device() == query.device() && bias->is_floating_point(),
              "[", kPaged, "] bias must be floating-point [sequences, heads, 1, keys] on ",
              query.device(), ", got ", bias->scalar_type(), " of ", bias->sym_sizes(), " on ",
              bias->device());
}

cpu::AttentionView cache_view(const Tensor& t) {
  return {const_cast<void*>(t.const_data_ptr()), t.stride(0), t.stride(1), t.stride(2), t.stride(3)};
}

// Looks at the numbers that say where a kernel reads.
void check_pages(const cpu::attention::AttentionPages& pages, int64_t sequences, int64_t blocks,
                 int64_t bias_keys) {
  for (int64_t b = 0; b < sequences; ++b) {
    const int64_t length = pages.lengths[b];
    const int64_t room = pages.per_sequence * pages.rows;
    TORCH_CHECK_VALUE(length >= 0 && length <= room, "[", kPaged, "] context_lengths[", b, "] is ",
                      length, ", but block_tables has room for ", room);
    TORCH_CHECK_VALUE(length <= bias_keys, "[", kPaged, "] bias has ", bias_keys,
                      " keys, but context_lengths[", b, "] is ", length);
    for (int64_t i = 0; i * pages.rows < length; ++i) {
      const int64_t page = pages.table[b * pages.per_sequence + i];
      TORCH_CHECK_INDEX(page >= 0 && page < blocks, "[", kPaged, "] block_tables[", b, ", ", i,
                        "] is ", page, ", but the cache has ", blocks, " pages");
    }
  }
}

void check_write(const Tensor& key_cache, const Tensor& value_cache, const Tensor& key,
                 const Tensor& value, const Tensor& slots) {
  check_caches(kWrite, key, key_cache, value_cache);
  for (const auto& [which, t, cache] :
       {std::tuple("key", &key, &key_cache), std::tuple("value", &value, &value_cache)}) {
    TORCH_CHECK(t->dim() == 3 && t->sym_size(0) == slots.sym_numel() &&
                    t->sym_size(1) == cache->sym_size(1) && t->sym_size(2) == cache->sym_size(3) &&
                    t->scalar_type() == cache->scalar_type() && t->device() == cache->device(),
                "[", kWrite, "] ", which, " must be [tokens, kv_heads, width] of the cache's dtype "
                "and device, with as many tokens as slots (", slots.sym_numel(), "), got ",
                t->scalar_type(), " of ", t->sym_sizes(), " on ", t->device(), " for a cache of ",
                cache->sym_sizes());
  }
  TORCH_CHECK(slots.dim() == 1 && is_index(slots) && slots.device() == key_cache.device(), "[",
              kWrite, "] slots must be int32 or int64 [tokens] on ", key_cache.device(), ", got ",
              slots.scalar_type(), " of ", slots.sym_sizes(), " on ", slots.device());
}

} // namespace

Tensor paged_attention_composed(XPU_LITE_PAGED_ARGUMENTS) {
  check_paged(query, key_cache, value_cache, block_tables, context_lengths, bias);
  const auto sequences = query.sym_size(0), rows = key_cache.sym_size(2);
  const auto keys = block_tables.sym_size(1) * rows;
  const Tensor seen = at::arange(keys, context_lengths.options()).lt(context_lengths.unsqueeze(1));
  // Entries beyond a sequence's length may be anything.
  const Tensor used = seen.reshape_symint({sequences, -1, rows}).select(2, 0);
  const Tensor pages = at::where(used, block_tables, at::zeros({}, block_tables.options())).to(at::kLong);
  const auto gathered = [&](const Tensor& cache) {
    return cache.index({pages}).permute({0, 2, 1, 3, 4}).flatten(2, 3);
  };
  Tensor mask = at::where(seen, 0.0, -INFINITY).to(query.scalar_type()).view_symint({sequences, 1, 1, keys});
  if (given(bias)) {
    mask = mask.expand_symint({sequences, query.sym_size(1), 1, keys}).clone();
    const auto width = bias->sym_size(3) < keys ? bias->sym_size(3) : keys;
    mask.narrow_symint(3, 0, width).add_(bias->narrow_symint(3, 0, width));
  }
  const Tensor out = at::scaled_dot_product_attention(
      query.unsqueeze(2), gathered(key_cache), gathered(value_cache), mask, 0.0, false, scale, true);
  // A sequence without keys: zeros, where a softmax of nothing is NaN.
  return at::where(context_lengths.gt(0).view({-1, 1, 1}), out.squeeze(2), 0.0).to(query.scalar_type());
}

Tensor paged_attention_meta(XPU_LITE_PAGED_ARGUMENTS) {
  check_paged(query, key_cache, value_cache, block_tables, context_lengths, bias);
  return query.new_empty_symint({query.sym_size(0), query.sym_size(1), value_cache.sym_size(3)});
}

Tensor paged_attention_host(XPU_LITE_PAGED_ARGUMENTS) {
  check_paged(query, key_cache, value_cache, block_tables, context_lengths, bias);
  const auto type = attention_type(query.scalar_type());
  TORCH_CHECK(type, "[", kPaged, "] query must be float64, float32, bfloat16 or float16, got ",
              query.scalar_type());
  const Tensor table = block_tables.to(at::kLong).contiguous();
  const Tensor lengths = context_lengths.to(at::kLong).contiguous();
  const Tensor out = at::empty({query.size(0), query.size(1), value_cache.size(3)}, query.options());
  if (out.numel() == 0) return out;
  cpu::AttentionForward p;
  p.shape.batch = query.size(0), p.shape.heads = query.size(1);
  p.shape.kv_heads = key_cache.size(1), p.shape.queries = 1;
  p.shape.width = query.size(2), p.shape.value_width = value_cache.size(3);
  p.shape.scale = scale.value_or(1 / std::sqrt(static_cast<double>(p.shape.width)));
  p.query = {const_cast<void*>(query.const_data_ptr()), query.stride(0), query.stride(1),
             query.stride(1), query.stride(2)};
  p.key = cache_view(key_cache), p.value = cache_view(value_cache);
  p.out = {out.mutable_data_ptr(), out.stride(0), out.stride(1), out.stride(1), 1};
  std::vector<Tensor> keep{query, key_cache, value_cache, table, lengths, out};
  int64_t bias_keys = INT64_MAX;
  if (given(bias)) {
    const Tensor wide = bias->to(query.scalar_type()).contiguous();
    const auto stride = [&](int64_t d) { return wide.size(d) == 1 ? 0 : wide.stride(d); };
    p.bias = {const_cast<void*>(wide.const_data_ptr()), stride(0), stride(1), 0, 1};
    bias_keys = wide.size(3);
    keep.push_back(wide);
  }
  const cpu::attention::AttentionPages pages{table.const_data_ptr<int64_t>(), table.size(1),
                                             key_cache.size(2), lengths.const_data_ptr<int64_t>()};
  launch(kPaged, std::move(keep),
         [p, pages, blocks = key_cache.size(0), bias_keys, type = *type] {
           check_pages(pages, p.shape.batch, blocks, bias_keys);
           TORCH_CHECK_WITH(OutOfMemoryError, cpu::attention::forward_paged(p, pages, type), "[",
                            kPaged, "] no host memory for scratch");
         });
  return out;
}

void write_paged_cache_composed(XPU_LITE_PAGED_WRITE_ARGUMENTS) {
  check_write(key_cache, value_cache, key, value, slots);
  const auto rows = key_cache.size(2);
  const Tensor kept = slots.ge(0).nonzero().squeeze(1), wanted = slots.to(at::kLong).index({kept});
  const Tensor page = wanted.div(rows, "floor"), row = wanted.remainder(rows);
  key_cache.transpose(1, 2).index_put_({page, row}, key.index({kept}));
  value_cache.transpose(1, 2).index_put_({page, row}, value.index({kept}));
}

void write_paged_cache_meta(XPU_LITE_PAGED_WRITE_ARGUMENTS) {
  check_write(key_cache, value_cache, key, value, slots);
}

void write_paged_cache_host(XPU_LITE_PAGED_WRITE_ARGUMENTS) {
  check_write(key_cache, value_cache, key, value, slots);
  if (slots.numel() == 0) return;
  if (key_cache.stride(3) != 1 || value_cache.stride(3) != 1) {
    return write_paged_cache_composed(key_cache, value_cache, key, value, slots);
  }
  const Tensor to = slots.to(at::kLong).contiguous();
  const Tensor keys = key.contiguous(), values = value.contiguous();
  struct Part {
    char* cache;
    const char* from;
    int64_t page, head, row, bytes; // strides and a row's width, in bytes
  };
  const auto part = [](const Tensor& cache, const Tensor& from) {
    const int64_t size = cache.element_size();
    return Part{static_cast<char*>(cache.mutable_data_ptr()),
                static_cast<const char*>(from.const_data_ptr()), cache.stride(0) * size,
                cache.stride(1) * size, cache.stride(2) * size, cache.size(3) * size};
  };
  launch(kWrite, {key_cache, value_cache, keys, values, to},
         [parts = std::array{part(key_cache, keys), part(value_cache, values)},
          slot = to.const_data_ptr<int64_t>(), tokens = to.numel(), pages = key_cache.size(0),
          heads = key_cache.size(1), rows = key_cache.size(2)] {
           for (int64_t t = 0; t < tokens; ++t) { // before anything is written
             TORCH_CHECK_INDEX(slot[t] < pages * rows, "[", kWrite, "] slots[", t, "] is ", slot[t],
                               ", but the cache has ", pages * rows, " rows");
           }
           for (int64_t t = 0; t < tokens; ++t) {
             if (slot[t] < 0) continue;
             for (const Part& p : parts) {
               for (int64_t h = 0; h < heads; ++h) {
                 std::memcpy(p.cache + slot[t] / rows * p.page + h * p.head + slot[t] % rows * p.row,
                             p.from + (t * heads + h) * p.bytes, static_cast<size_t>(p.bytes));
               }
             }
           }
         });
}

} // namespace xpu_lite::aten
