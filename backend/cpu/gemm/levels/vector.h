#pragma once

// One register of floats for each instruction set, and the three storage types as
// floats. Included by the files of levels/ only: everything has internal linkage.

#include <immintrin.h>

#include <cstdint>

#include "backend/cpu/kernels/scalar_types.h"

namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL {
namespace {

#define XPU_LITE_GEMM_INLINE inline __attribute__((always_inline))

#if defined(__AVX512F__)

using Reg = __m512;
using Bits = __m512i;
constexpr int kLanes = 16;

XPU_LITE_GEMM_INLINE Reg splat(float x) { return _mm512_set1_ps(x); }
XPU_LITE_GEMM_INLINE Reg zero() { return _mm512_setzero_ps(); }
XPU_LITE_GEMM_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
XPU_LITE_GEMM_INLINE Reg max(Reg a, Reg b) { return _mm512_max_ps(a, b); }
XPU_LITE_GEMM_INLINE Reg min(Reg a, Reg b) { return _mm512_min_ps(a, b); }
XPU_LITE_GEMM_INLINE Bits bits(Reg x) { return _mm512_castps_si512(x); }
XPU_LITE_GEMM_INLINE Reg floats(Bits x) { return _mm512_castsi512_ps(x); }
XPU_LITE_GEMM_INLINE Bits splat_bits(int32_t x) { return _mm512_set1_epi32(x); }
XPU_LITE_GEMM_INLINE Bits add(Bits a, Bits b) { return _mm512_add_epi32(a, b); }
XPU_LITE_GEMM_INLINE Bits bit_and(Bits a, Bits b) { return _mm512_and_si512(a, b); }
template <int n>
XPU_LITE_GEMM_INLINE Bits left(Bits x) { return _mm512_slli_epi32(x, n); }
template <int n>
XPU_LITE_GEMM_INLINE Bits right(Bits x) { return _mm512_srli_epi32(x, n); }
XPU_LITE_GEMM_INLINE Bits nearest(Reg x) { return _mm512_cvtps_epi32(x); }
XPU_LITE_GEMM_INLINE Reg to_float(Bits x) { return _mm512_cvtepi32_ps(x); }
// x where it is not a NaN, else y.
XPU_LITE_GEMM_INLINE Bits unless_nan(Reg x, Bits kept, Bits y) {
  return _mm512_mask_mov_epi32(kept, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), y);
}
XPU_LITE_GEMM_INLINE Reg keep_nan(Reg x, Reg y) { // y, but x where x is a NaN
  return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
}
XPU_LITE_GEMM_INLINE Reg zero_below(Reg y, Reg x, Reg end) { // y, but 0 where x < end
  return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, end, _CMP_LT_OQ), zero());
}
XPU_LITE_GEMM_INLINE __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1); }

XPU_LITE_GEMM_INLINE Bits load_bits(const void* p) { return _mm512_loadu_si512(p); }
XPU_LITE_GEMM_INLINE Reg load(const float* p) { return _mm512_loadu_ps(p); }
XPU_LITE_GEMM_INLINE Reg load(const half* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
XPU_LITE_GEMM_INLINE Reg load(const bfloat16* p) {
  const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return floats(left<16>(_mm512_cvtepu16_epi32(x)));
}
XPU_LITE_GEMM_INLINE Reg load(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
XPU_LITE_GEMM_INLINE Reg load(const half* p, int n) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p));
}
XPU_LITE_GEMM_INLINE Reg load(const bfloat16* p, int n) {
  return floats(left<16>(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first(n), p))));
}

XPU_LITE_GEMM_INLINE __m256i narrow(Bits x) { return _mm512_cvtepi32_epi16(x); }
XPU_LITE_GEMM_INLINE __m256i to_half(Reg x) {
  return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
XPU_LITE_GEMM_INLINE void store(float* p, Reg x) { _mm512_storeu_ps(p, x); }
XPU_LITE_GEMM_INLINE void store(float* p, Reg x, int n) { _mm512_mask_storeu_ps(p, first(n), x); }
XPU_LITE_GEMM_INLINE void store_narrow(void* p, __m256i x) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), x);
}
XPU_LITE_GEMM_INLINE void store_narrow(void* p, __m256i x, int n) {
  _mm256_mask_storeu_epi16(p, first(n), x);
}

#else

using Reg = __m256;
using Bits = __m256i;
constexpr int kLanes = 8;

XPU_LITE_GEMM_INLINE Reg splat(float x) { return _mm256_set1_ps(x); }
XPU_LITE_GEMM_INLINE Reg zero() { return _mm256_setzero_ps(); }
XPU_LITE_GEMM_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
XPU_LITE_GEMM_INLINE Reg max(Reg a, Reg b) { return _mm256_max_ps(a, b); }
XPU_LITE_GEMM_INLINE Reg min(Reg a, Reg b) { return _mm256_min_ps(a, b); }
XPU_LITE_GEMM_INLINE Bits bits(Reg x) { return _mm256_castps_si256(x); }
XPU_LITE_GEMM_INLINE Reg floats(Bits x) { return _mm256_castsi256_ps(x); }
XPU_LITE_GEMM_INLINE Bits splat_bits(int32_t x) { return _mm256_set1_epi32(x); }
XPU_LITE_GEMM_INLINE Bits add(Bits a, Bits b) { return _mm256_add_epi32(a, b); }
XPU_LITE_GEMM_INLINE Bits bit_and(Bits a, Bits b) { return _mm256_and_si256(a, b); }
template <int n>
XPU_LITE_GEMM_INLINE Bits left(Bits x) { return _mm256_slli_epi32(x, n); }
template <int n>
XPU_LITE_GEMM_INLINE Bits right(Bits x) { return _mm256_srli_epi32(x, n); }
XPU_LITE_GEMM_INLINE Bits nearest(Reg x) { return _mm256_cvtps_epi32(x); }
XPU_LITE_GEMM_INLINE Reg to_float(Bits x) { return _mm256_cvtepi32_ps(x); }
XPU_LITE_GEMM_INLINE Bits unless_nan(Reg x, Bits kept, Bits y) {
  return bits(_mm256_blendv_ps(floats(kept), floats(y), _mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
}
XPU_LITE_GEMM_INLINE Reg keep_nan(Reg x, Reg y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}
XPU_LITE_GEMM_INLINE Reg zero_below(Reg y, Reg x, Reg end) {
  return _mm256_andnot_ps(_mm256_cmp_ps(x, end, _CMP_LT_OQ), y);
}

XPU_LITE_GEMM_INLINE Bits load_bits(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
XPU_LITE_GEMM_INLINE Reg load(const float* p) { return _mm256_loadu_ps(p); }
XPU_LITE_GEMM_INLINE Reg load(const half* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
XPU_LITE_GEMM_INLINE Reg load(const bfloat16* p) {
  const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return floats(left<16>(_mm256_cvtepu16_epi32(x)));
}
// The last columns of a row go through a buffer: AVX2 has no masks for 16 bits.
template <class T>
XPU_LITE_GEMM_INLINE Reg load(const T* p, int n) {
  T some[kLanes] = {};
  for (int i = 0; i < n; ++i) some[i] = p[i];
  return load(some);
}

XPU_LITE_GEMM_INLINE __m128i narrow(Bits x) {
  return _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
}
XPU_LITE_GEMM_INLINE __m128i to_half(Reg x) {
  return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
XPU_LITE_GEMM_INLINE void store(float* p, Reg x) { _mm256_storeu_ps(p, x); }
XPU_LITE_GEMM_INLINE void store(float* p, Reg x, int n) {
  float some[kLanes];
  store(some, x);
  for (int i = 0; i < n; ++i) p[i] = some[i];
}
XPU_LITE_GEMM_INLINE void store_narrow(void* p, __m128i x) {
  _mm_storeu_si128(static_cast<__m128i*>(p), x);
}
XPU_LITE_GEMM_INLINE void store_narrow(void* p, __m128i x, int n) {
  uint16_t some[kLanes];
  store_narrow(some, x);
  for (int i = 0; i < n; ++i) static_cast<uint16_t*>(p)[i] = some[i];
}

#endif

// To nearest even, as scalar_types.h rounds: the same result on every level.
XPU_LITE_GEMM_INLINE Bits to_bfloat16(Reg x) {
  const Bits odd = bit_and(right<16>(bits(x)), splat_bits(1));
  const Bits rounded = right<16>(add(bits(x), add(odd, splat_bits(0x7fff))));
  return unless_nan(x, rounded, splat_bits(0x7fc0));
}
#if defined(__AVX512BF16__)
// The same by one instruction, but for denormals: zero, as the products there take them.
XPU_LITE_GEMM_INLINE __m256i narrow_bfloat16(Reg x) { return (__m256i)_mm512_cvtneps_pbh(x); }
#else
XPU_LITE_GEMM_INLINE auto narrow_bfloat16(Reg x) { return narrow(to_bfloat16(x)); }
#endif
XPU_LITE_GEMM_INLINE void store(bfloat16* p, Reg x) { store_narrow(p, narrow_bfloat16(x)); }
XPU_LITE_GEMM_INLINE void store(bfloat16* p, Reg x, int n) {
  store_narrow(p, narrow_bfloat16(x), n);
}
XPU_LITE_GEMM_INLINE void store(half* p, Reg x) { store_narrow(p, to_half(x)); }
XPU_LITE_GEMM_INLINE void store(half* p, Reg x, int n) { store_narrow(p, to_half(x), n); }

} // namespace
} // namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL
