#pragma once

// A copy of some rows of a, where tiles cannot read a itself: it has another dtype,
// an odd k where the layout holds pairs, or rows so far apart that they would fight
// for the same few lines of the cache.

#include "backend/cpu/gemm/kernels.h"
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

void stage(const Stage& s) {
  if (s.to == DType::BFloat16) { // of BFloat16 only: copied as it is, NaNs too
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
