#pragma once

// Short blocks of 16-bit numbers as float and back. Kernels compute on float (or
// double) only; a block is small enough that its float copy stays in L1.

#include <immintrin.h>

#include "backend/cpu/kernels/elementwise.h"
#include "backend/cpu/kernels/scalar_types.h"

namespace xpu_lite::cpu::XPU_LITE_LEVEL {

constexpr int64_t kStageBlock = 1024;

static void load_block(float* to, const bfloat16* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = from[i];
}

static void store_block(bfloat16* to, const float* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = bfloat16(from[i]);
}

static void load_block(float* to, const half* from, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(bits));
  }
  for (; i < n; ++i) to[i] = from[i];
}

static void store_block(half* to, const float* from, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i bits =
        _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), bits);
  }
  for (; i < n; ++i) to[i] = half(from[i]);
}

// Elements [first, first + n) of an array of any floating type, as Acc (float or
// double): the array itself where it has that type, else a copy in `buffer`.
template <class Acc>
class Staged {
 public:
  Staged(void* data, DType dtype) : data_(data), dtype_(dtype) {}

  Acc* load(int64_t first, int64_t n) {
    if (!data_) return nullptr;
    if (dtype_ == own()) return static_cast<Acc*>(data_) + first;
    if constexpr (sizeof(Acc) == 4) {
      if (dtype_ == DType::BFloat16) {
        load_block(buffer_, static_cast<const bfloat16*>(data_) + first, n);
        return buffer_;
      }
      if (dtype_ == DType::Half) {
        load_block(buffer_, static_cast<const half*>(data_) + first, n);
        return buffer_;
      }
      const double* from = static_cast<const double*>(data_) + first;
      for (int64_t i = 0; i < n; ++i) buffer_[i] = static_cast<float>(from[i]);
    } else if (dtype_ == DType::Float) {
      const float* from = static_cast<const float*>(data_) + first;
      for (int64_t i = 0; i < n; ++i) buffer_[i] = from[i];
    } else {
      float narrow[kStageBlock];
      if (dtype_ == DType::BFloat16) {
        load_block(narrow, static_cast<const bfloat16*>(data_) + first, n);
      } else {
        load_block(narrow, static_cast<const half*>(data_) + first, n);
      }
      for (int64_t i = 0; i < n; ++i) buffer_[i] = narrow[i];
    }
    return buffer_;
  }

  // Writes back what load() of the same range returned.
  void store(int64_t first, int64_t n) {
    if (!data_ || dtype_ == own()) return;
    float narrow[sizeof(Acc) == 4 ? 1 : kStageBlock];
    const float* from = narrow;
    if constexpr (sizeof(Acc) == 4) {
      from = buffer_;
      if (dtype_ == DType::Double) {
        double* to = static_cast<double*>(data_) + first;
        for (int64_t i = 0; i < n; ++i) to[i] = buffer_[i];
        return;
      }
    } else {
      for (int64_t i = 0; i < n; ++i) narrow[i] = static_cast<float>(buffer_[i]);
      if (dtype_ == DType::Float) {
        __builtin_memcpy(static_cast<float*>(data_) + first, narrow, n * sizeof(float));
        return;
      }
    }
    if (dtype_ == DType::BFloat16) {
      store_block(static_cast<bfloat16*>(data_) + first, from, n);
    } else {
      store_block(static_cast<half*>(data_) + first, from, n);
    }
  }

 private:
  static constexpr DType own() { return sizeof(Acc) == 4 ? DType::Float : DType::Double; }
  void* data_;
  DType dtype_;
  alignas(64) Acc buffer_[kStageBlock];
};

} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
