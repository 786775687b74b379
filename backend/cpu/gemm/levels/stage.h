#pragma once

// A copy of some rows of a, where tiles cannot read a itself: it is transposed, has
// another dtype, an odd k where the layout holds pairs, or rows so far apart that they
// would fight for the same few lines of the cache.

#include "backend/cpu/gemm/kernels.h"
#include "backend/cpu/gemm/levels/transpose.h"
#include "backend/cpu/gemm/levels/vector.h"

namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL {
namespace {

template <class From, class To>
XPU_LITE_GEMM_INLINE void stage_rows(const Stage& s) {
  for (int64_t r = 0; r < s.rows; ++r) {
    const From* from = static_cast<const From*>(s.a) + r * s.lda;
    To* to = static_cast<To*>(s.out) + r * s.ld;
    int64_t p = 0;
    for (; p + kLanes <= s.k; p += kLanes) store(to + p, load(from + p));
    for (; p < s.k; ++p) to[p] = To(static_cast<float>(from[p]));
    for (; p < s.k_padded; ++p) to[p] = To(0.f);
  }
}

template <class From>
XPU_LITE_GEMM_INLINE void stage_columns(const Stage& s) {
  const From* a = static_cast<const From*>(s.a);
  transpose_lines(s.k, s.rows, [&](int64_t p, int64_t row, int n) {
    const From* from = a + p * s.lda + row;
    return n == kLanes ? load(from) : load(from, n);
  }, static_cast<float*>(s.out), s.ld);
}

// Two steps of k side by side are one value of 32 bits.
XPU_LITE_GEMM_INLINE void stage_pairs(const Stage& s) {
  const bfloat16* a = static_cast<const bfloat16*>(s.a);
  transpose_lines((s.k + 1) / 2, s.rows, [&](int64_t pair, int64_t row, int n) {
    const bfloat16* from = a + 2 * pair * s.lda + row;
    const Bits first = bits(n == kLanes ? load(from) : load(from, n));
    if (2 * pair + 1 == s.k) return floats(right<16>(first));
    from += s.lda;
    const Bits second = bits(n == kLanes ? load(from) : load(from, n));
    return floats(add(right<16>(first), second));
  }, static_cast<float*>(s.out), s.ld / 2);
}

void stage(const Stage& s) {
  if (s.transposed) {
    if (s.to == DType::BFloat16) {
      stage_pairs(s);
    } else if (s.dtype == DType::Float) {
      stage_columns<float>(s);
    } else if (s.dtype == DType::BFloat16) {
      stage_columns<bfloat16>(s);
    } else {
      stage_columns<half>(s);
    }
  } else if (s.to == DType::BFloat16 && s.dtype == DType::Float) {
    stage_rows<float, bfloat16>(s);
  } else if (s.to == DType::BFloat16) { // copied as it is, NaNs too
    for (int64_t r = 0; r < s.rows; ++r) {
      const bfloat16* from = static_cast<const bfloat16*>(s.a) + r * s.lda;
      bfloat16* to = static_cast<bfloat16*>(s.out) + r * s.ld;
      __builtin_memcpy(to, from, s.k * sizeof(bfloat16));
      for (int64_t p = s.k; p < s.k_padded; ++p) to[p].bits = 0;
    }
  } else if (s.dtype == DType::Float) {
    stage_rows<float, float>(s);
  } else if (s.dtype == DType::BFloat16) {
    stage_rows<bfloat16, float>(s);
  } else {
    stage_rows<half, float>(s);
  }
}

} // namespace
} // namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL
