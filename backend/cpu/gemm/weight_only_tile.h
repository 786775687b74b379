#pragma once

// The tiles of weight_only.h for one instruction set: included by weight_only_<isa>.cpp,
// which sets XPU_LITE_LEVEL. Several sums for each column, added at the group's end:
// one would wait for its own last multiply-add at every step.

#include "backend/cpu/gemm/levels/finish.h"
#include "backend/cpu/gemm/levels/stage.h"
#include "backend/cpu/gemm/weight_only_kernels.h"

namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL {
namespace {

typedef uint32_t Words __attribute__((vector_size(kLanes * 4)));
typedef int32_t SignedWords __attribute__((vector_size(kLanes * 4)));
constexpr int kRegisters = kWeightColumns / kLanes;
constexpr int kTileRowsMost = kLanes == 16 ? kWeightMostRows : 2;

// The weight of step j in each column's word.
template <int kBits>
XPU_LITE_GEMM_INLINE Reg weight_of(Words words, int j) {
  if constexpr (kBits == 8) {
    const Words high = words << (24 - 8 * j);
    return to_float((Bits)((SignedWords)high >> 24));
  } else {
    // Even steps are in the low half of the word, odd ones in the high half.
    const Words low = words >> (j / 2 * 4 + j % 2 * 16);
#if defined(__AVX512F__)
    const Reg table = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
    return _mm512_permutexvar_ps((Bits)low, table);  // looks at the low four bits only
#else
    return to_float((Bits)((SignedWords)(low & 15) - 8));
#endif
  }
}

template <int kBits, bool kPairs, int kRows>
void weight_rows(const WeightOnlyTile& t) {
  constexpr int kUnit = kBits == 4 ? 8 : 4;
  constexpr int kChains = kRows * kRegisters <= 4 ? 4 : 2;
  const WeightOnlyShape& s = *t.shape;
  Reg total[kRows][kRegisters], shift[kRows][kRegisters];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kRegisters; ++v) total[r][v] = shift[r][v] = zero();
  }
  const char* from = t.panel;
  int64_t p = 0;  // step of k
  for (int64_t g = 0; g < s.groups; ++g) {
    const char* header = from;
    from += s.header_bytes;
    Reg sum[kChains][kRows][kRegisters];
#pragma GCC unroll 8
    for (int i = 0; i < kChains; ++i) {
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kRegisters; ++v) sum[i][r][v] = zero();
      }
    }
    const int64_t units = g + 1 < s.groups ? s.units : s.last_units;
    for (int64_t u = 0; u < units; ++u, from += 64, p += kUnit) {
      __builtin_prefetch(from + 2048);
#pragma GCC unroll 2
      for (int v = 0; v < kRegisters; ++v) {
        Words words;
        __builtin_memcpy(&words, from + v * kLanes * 4, sizeof(words));
#if defined(__AVX512BF16__)
        if constexpr (kPairs) {
          const __m512i table = _mm512_broadcast_i64x4(_mm256_setr_epi32(
              int(0xc0e0c100), int(0xc0a0c0c0), int(0xc040c080), int(0xbf80c000), 0x3f800000,
              0x40404000, 0x40a04080, 0x40e040c0));  // -8 to 7 as bfloat16
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j) {
            typedef uint16_t Halves __attribute__((vector_size(64)));
            const __m512i q = _mm512_permutexvar_epi16((__m512i)((Halves)words >> (4 * j)), table);
#pragma GCC unroll 8
            for (int r = 0; r < kRows; ++r) {
              int32_t two;
              __builtin_memcpy(&two, static_cast<const bfloat16*>(t.a) + r * t.lda + p + 2 * j, 4);
              sum[j % kChains][r][v] = _mm512_dpbf16_ps(sum[j % kChains][r][v], (__m512bh)q,
                                                        (__m512bh)_mm512_set1_epi32(two));
            }
          }
          continue;
        }
#endif
#pragma GCC unroll 8
        for (int j = 0; j < kUnit; ++j) {
          const Reg q = weight_of<kBits>(words, j);
#pragma GCC unroll 8
          for (int r = 0; r < kRows; ++r) {
            const float x = static_cast<const float*>(t.a)[r * t.lda + p + j];
            sum[j % kChains][r][v] = fma(q, splat(x), sum[j % kChains][r][v]);
          }
        }
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kRegisters; ++v) {
        Reg part = sum[0][r][v];
        for (int i = 1; i < kChains; ++i) part += sum[i][r][v];
        const float* scale = reinterpret_cast<const float*>(header) + v * kLanes;
        if (t.zeros) { // a chain of its own: it does not wait for the group's products
          shift[r][v] =
              fma(load(scale + kWeightColumns), splat(t.a_sums[r * s.groups + g]), shift[r][v]);
        }
        total[r][v] = fma(part, load(scale), total[r][v]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kRegisters; ++v) {
      store(t.sums + r * kPanel + v * kLanes, t.zeros ? total[r][v] - shift[r][v] : total[r][v]);
    }
  }
}

// Rows by eights, fours, twos and ones.
template <int kBits, bool kPairs>
void weight_tile(const WeightOnlyTile& tile) {
  WeightOnlyTile t = tile;
  const int64_t element = kPairs ? 2 : 4;
  while (t.rows > 0) {
    int done = 1;
    if (kTileRowsMost >= 8 && t.rows >= 8) {
      if constexpr (kTileRowsMost >= 8) weight_rows<kBits, kPairs, 8>(t);
      done = 8;
    } else if (kTileRowsMost >= 4 && t.rows >= 4) {
      if constexpr (kTileRowsMost >= 4) weight_rows<kBits, kPairs, 4>(t);
      done = 4;
    } else if (t.rows >= 2) {
      weight_rows<kBits, kPairs, 2>(t);
      done = 2;
    } else {
      weight_rows<kBits, kPairs, 1>(t);
    }
    t.a = static_cast<const char*>(t.a) + done * t.lda * element;
    if (t.zeros) t.a_sums += done * t.shape->groups;
    t.sums += done * kPanel;
    t.rows -= done;
  }
}

} // namespace
} // namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL
