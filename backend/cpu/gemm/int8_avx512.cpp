// int8_gemm.h by AVX-512 without VNNI. Bytes are widened to 16 bits before they are
// multiplied: VPMADDUBSW would saturate at 255 * 127 * 2.

#define XPU_LITE_LEVEL int8_level_avx512
#include "backend/cpu/gemm/int8_finish.h"

namespace xpu_lite::cpu::gemm {
namespace XPU_LITE_LEVEL {
namespace {

constexpr int kRowsOfTile = 6;

// A register holds 8 columns; each has two sums, of k's even and odd pairs.
template <int kRows>
void int8_rows(const Int8Tile& t) {
  __m512i sum[kRows][4];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < 4; ++v) sum[r][v] = _mm512_setzero_si512();
  }
  const char* panel = reinterpret_cast<const char*>(t.panel);
  const int64_t groups = (t.k + 3) / 4;
  for (int tap = 0; tap < t.taps; ++tap, panel += groups * 128) {
    const char* a = static_cast<const char*>(t.a) + (t.offsets ? t.offsets[tap] : 0);
    for (int64_t p = 0; p < groups; ++p) {
      __m512i b[4];
      for (int v = 0; v < 4; ++v) {
        b[v] = _mm512_cvtepi8_epi16(_mm256_load_si256(
            reinterpret_cast<const __m256i*>(panel + p * 128 + v * 32)));
      }
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        int32_t four;
        __builtin_memcpy(&four, a + r * t.lda + p * 4, 4);
        const __m512i x = _mm512_cvtepu8_epi16(_mm256_set1_epi32(four));
        for (int v = 0; v < 4; ++v) {
          sum[r][v] = _mm512_add_epi32(sum[r][v], _mm512_madd_epi16(x, b[v]));
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < 4; ++v) {
      const __m512i both = _mm512_add_epi32(sum[r][v], _mm512_srli_epi64(sum[r][v], 32));
      _mm256_store_si256(reinterpret_cast<__m256i*>(t.sums + r * kInt8Panel + v * 8),
                         _mm512_cvtepi64_epi32(both));
    }
  }
}

void int8_tile(const Int8Tile& t) {
  switch (t.rows) {
    case 1: return int8_rows<1>(t);
    case 2: return int8_rows<2>(t);
    case 3: return int8_rows<3>(t);
    case 4: return int8_rows<4>(t);
    case 5: return int8_rows<5>(t);
    default: return int8_rows<kRowsOfTile>(t);
  }
}

} // namespace
} // namespace XPU_LITE_LEVEL

const Int8Kernels int8_avx512 = {"avx512", Isa::Avx512, XPU_LITE_LEVEL::kRowsOfTile, false,
                                 XPU_LITE_LEVEL::int8_tile, XPU_LITE_LEVEL::int8_finish,
                                 XPU_LITE_LEVEL::int8_quantise};

} // namespace xpu_lite::cpu::gemm
