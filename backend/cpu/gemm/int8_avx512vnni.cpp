// int8_gemm.h by VPDPBUSD: 14 rows by 32 columns of sums in registers.

#define XPU_LITE_LEVEL int8_level_avx512vnni
#include "backend/cpu/gemm/int8_finish.h"

namespace xpu_lite::cpu::gemm {
namespace XPU_LITE_LEVEL {
namespace {

template <int kRows>
void int8_rows(const Int8Tile& t) {
  __m512i sum[kRows][2];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm512_setzero_si512();
  const char* b = reinterpret_cast<const char*>(t.panel);
  const int64_t groups = (t.k + 3) / 4;
  for (int tap = 0; tap < t.taps; ++tap, b += groups * 128) {
    const char* a = static_cast<const char*>(t.a) + (t.offsets ? t.offsets[tap] : 0);
    for (int64_t p = 0; p < groups; ++p) {
      const __m512i b0 = _mm512_load_si512(b + p * 128);
      const __m512i b1 = _mm512_load_si512(b + p * 128 + 64);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        int32_t four;
        __builtin_memcpy(&four, a + r * t.lda + p * 4, 4);
        const __m512i x = _mm512_set1_epi32(four);
        sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], x, b0);
        sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], x, b1);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    _mm512_store_si512(t.sums + r * kInt8Panel, sum[r][0]);
    _mm512_store_si512(t.sums + r * kInt8Panel + 16, sum[r][1]);
  }
}

void int8_tile(const Int8Tile& t) {
  switch (t.rows) {
    case 1: return int8_rows<1>(t);
    case 2: return int8_rows<2>(t);
    case 3: return int8_rows<3>(t);
    case 4: return int8_rows<4>(t);
    case 5: return int8_rows<5>(t);
    case 6: return int8_rows<6>(t);
    case 7: return int8_rows<7>(t);
    case 8: return int8_rows<8>(t);
    case 9: return int8_rows<9>(t);
    case 10: return int8_rows<10>(t);
    case 11: return int8_rows<11>(t);
    case 12: return int8_rows<12>(t);
    case 13: return int8_rows<13>(t);
    default: return int8_rows<14>(t);
  }
}

} // namespace
} // namespace XPU_LITE_LEVEL

const Int8Kernels int8_avx512vnni = {"avx512_vnni", Isa::Avx512Vnni, 14, false,
                                     XPU_LITE_LEVEL::int8_tile, XPU_LITE_LEVEL::int8_finish,
                                     XPU_LITE_LEVEL::int8_quantise};

} // namespace xpu_lite::cpu::gemm
