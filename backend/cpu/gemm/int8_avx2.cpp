// int8_gemm.h by AVX2. Bytes are widened to 16 bits before they are multiplied:
// VPMADDUBSW would saturate at 255 * 127 * 2.

#define XPU_LITE_LEVEL int8_level_avx2
#include "backend/cpu/gemm/int8_finish.h"

namespace xpu_lite::cpu::gemm {
namespace XPU_LITE_LEVEL {
namespace {

constexpr int kRowsOfTile = 4;

// Eight columns at a time. A register holds four; each has two sums, of k's even and odd
// pairs.
template <int kRows>
void int8_rows(const Int8Tile& t) {
  const int64_t groups = (t.k + 3) / 4;
  for (int column = 0; column < kInt8Panel; column += 8) {
    __m256i sum[kRows][2];
    for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
    const int8_t* panel = t.panel + column * kInt8Group;
    for (int tap = 0; tap < t.taps; ++tap, panel += groups * 128) {
      const char* a = static_cast<const char*>(t.a) + (t.offsets ? t.offsets[tap] : 0);
      for (int64_t p = 0; p < groups; ++p) {
        const __m128i* from = reinterpret_cast<const __m128i*>(panel + p * 128);
        const __m256i b0 = _mm256_cvtepi8_epi16(_mm_load_si128(from));
        const __m256i b1 = _mm256_cvtepi8_epi16(_mm_load_si128(from + 1));
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
          int32_t four;
          __builtin_memcpy(&four, a + r * t.lda + p * 4, 4);
          const __m256i x = _mm256_cvtepu8_epi16(_mm_set1_epi32(four));
          sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(x, b0));
          sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(x, b1));
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      const __m256i both = _mm256_permute4x64_epi64(_mm256_hadd_epi32(sum[r][0], sum[r][1]), 0xd8);
      _mm256_store_si256(reinterpret_cast<__m256i*>(t.sums + r * kInt8Panel + column), both);
    }
  }
}

void int8_tile(const Int8Tile& t) {
  switch (t.rows) {
    case 1: return int8_rows<1>(t);
    case 2: return int8_rows<2>(t);
    case 3: return int8_rows<3>(t);
    default: return int8_rows<kRowsOfTile>(t);
  }
}

} // namespace
} // namespace XPU_LITE_LEVEL

const Int8Kernels int8_avx2 = {"avx2", Isa::Avx2, XPU_LITE_LEVEL::kRowsOfTile, false,
                               XPU_LITE_LEVEL::int8_tile, XPU_LITE_LEVEL::int8_finish,
                               XPU_LITE_LEVEL::int8_quantise};

} // namespace xpu_lite::cpu::gemm
