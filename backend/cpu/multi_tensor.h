#pragma once

// One parallel region over the elements of many tensors: a thousand small
// tensors cost one fork and join, and one large tensor still uses every core.

#include <atomic>
#include <cstdint>

#include "backend/cpu/kernels/elementwise.h"
#include "backend/cpu/parallel.h"

namespace xpu_lite::cpu {

// Below this many elements a second thread costs more than it saves.
constexpr int64_t kParallelGrain = 32768;

// Outputs larger than this bypass the caches (bytes): they would not stay in the
// last level, and a plain store reads the line that it overwrites (1.5 times the
// speed for a float product of 64 MiB, no difference below 8 MiB).
constexpr int64_t kStreamBytes = int64_t{16} << 20;

// Calls body(i, first, last) for ranges that cover [0, numel(i)) of each i in
// [0, count), from several threads at once.
template <class Numel, class Body>
void multi_tensor_for(int64_t count, const Numel& numel, const Body& body) {
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) total += numel(i);
  parallel_for(0, total, kParallelGrain, [&](int64_t first, int64_t last) {
    int64_t begin = 0; // of tensor i in the whole
    for (int64_t i = 0; i < count && begin < last; ++i) {
      const int64_t n = numel(i);
      const int64_t from = first > begin ? first - begin : 0;
      const int64_t to = last - begin < n ? last - begin : n;
      if (from < to) body(i, from, to);
      begin += n;
    }
  });
}

inline void* advance(void* data, int64_t bytes) {
  return data ? static_cast<char*>(data) + bytes : nullptr;
}
inline const void* advance(const void* data, int64_t bytes) {
  return data ? static_cast<const char*>(data) + bytes : nullptr;
}

// The elementwise kernel over one whole tensor, on as many threads as pay.
inline bool elementwise_parallel(ElementwiseOp op, DType dtype, void* out, const void* a,
                                 const void* b, const void* c, double s, int64_t n) {
  const int64_t size = dtype_size(dtype);
  if (n <= kParallelGrain) return elementwise(op, dtype, out, a, b, c, s, n, false);
  const bool stream = n * size > kStreamBytes && out != a;
  std::atomic<bool> done{true};
  parallel_for(0, n, kParallelGrain, [&](int64_t first, int64_t last) {
    const int64_t skip = first * size;
    if (!elementwise(op, dtype, advance(out, skip), advance(a, skip), advance(b, skip),
                     advance(c, skip), s, last - first, stream)) {
      done.store(false, std::memory_order_relaxed);
    }
  });
  return done.load(std::memory_order_relaxed);
}

} // namespace xpu_lite::cpu
