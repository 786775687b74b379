#pragma once

// Lists of tensors as the tables of multi_tensor_args.h.

#include <algorithm>
#include <cstdint>

#include "backend/xpu/kernels/multi_tensor_args.h"
#include "backend/xpu/launch.h"
#include "backend/xpu/table.h"

namespace xpu_lite::xpu {

inline int64_t chunks_of(int64_t n) { return (n + kChunkElements - 1) / kChunkElements; }

template <class Items>
size_t chunk_count(const Items& items) {
  size_t chunks = 0;
  for (const auto& item : items) chunks += static_cast<size_t>(chunks_of(item.n));
  return chunks;
}

template <class Items>
const TensorChunk* write_chunks(Table& table, const Items& items, size_t chunks) {
  TensorChunk* list = table.take<TensorChunk>(chunks);
  TensorChunk* at = list;
  for (uint32_t t = 0; t < items.size(); ++t) {
    const auto parts = static_cast<uint32_t>(chunks_of(items[t].n));
    for (uint32_t part = 0; part < parts; ++part) *at++ = {t, part};
  }
  return list;
}

// One group for each chunk.
inline Grid chunk_grid(int device, size_t chunks) {
  const Limits& device_limits = limits(device);
  return {chunks, std::min<size_t>(device_limits.max_group_size,
                                   device_limits.is_cpu ? kReduceLanes : 256)};
}

} // namespace xpu_lite::xpu
