#pragma once

// The arithmetic of collectives: element-wise reduction of several ranks' buffers
// in one pass, and copies. bfloat16, half and float8 are added in float and rounded
// once; the order of the ranks is the order of the additions, so every rank that
// does it gets the same bits.

#include <cstddef>

#include "backend/ccl/types.h"

namespace xpu_lite::ccl {

// out[i] = ins[0][i] op ... op ins[n-1][i], each of `count` elements. `out` may be
// one of `ins`, exactly. Avg divides by `ranks` (so that a tree can divide at the
// end only: pass 1 before, with Sum); PreMulSum multiplies every input by the factor.
void reduce_buffers(void* out, const void* const* ins, int n, size_t count, DataType type,
                    const Reduction& reduction, int ranks);

// memcpy that keeps `dst` in the cache (what a peer reads next) ...
void copy_cached(void* dst, const void* src, size_t bytes);
// ... and one that goes past the cache when that is faster (large results).
void copy_streaming(void* dst, const void* src, size_t bytes);

} // namespace xpu_lite::ccl
