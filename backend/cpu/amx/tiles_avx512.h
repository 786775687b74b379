#pragma once

// The tile interface (see tiles_model.h) by AVX-512 BF16 and VNNI: what a processor
// without tiles runs when it is asked for them. Sums of 16-bit floats are associated
// differently from the instructions', so they agree within rounding.

#include <immintrin.h>

#include "backend/cpu/amx/tile_config.h"

namespace xpu_lite::cpu::amx {
namespace {

class Avx512Tiles {
 public:
  explicit Avx512Tiles(TileState& state) : state_(state) {}

  void configure(const TileConfig& config) {
    if (state_.configured && same(config, state_.loaded)) return;
    state_.loaded = config;
    state_.configured = true;
    ++state_.loads;
    __builtin_memset(tile_, 0, sizeof(tile_));
  }
  void release() {
    if (!state_.configured) return;
    state_.configured = false;
    ++state_.releases;
  }
  template <int kTile>
  void zero() {
    for (int r = 0; r < kTileRows; ++r) put(kTile, r, _mm512_setzero_si512());
  }
  template <int kTile>
  void load(const void* p, int64_t stride) {
    load_tile(kTile, p, stride);
  }
  template <int kTile>
  void store(void* p, int64_t stride) {
    store_tile(kTile, p, stride);
  }

  template <int kC, int kA, int kB>
  void tdpbusd() {
    product(kC, kA, kB, [](__m512i c, __m512i a, __m512i b) {
      return _mm512_dpbusd_epi32(c, a, b);
    });
  }
  template <int kC, int kA, int kB>
  void tdpbsud() {
    product(kC, kA, kB, [](__m512i c, __m512i a, __m512i b) {
      return _mm512_dpbusd_epi32(c, b, a);
    });
  }
  // a b = (a + 128) b - 128 b, and with unsigned a: a (b - 128) + 2 (64 a).
  template <int kC, int kA, int kB>
  void tdpbssd() {
    product(kC, kA, kB, [](__m512i c, __m512i a, __m512i b) {
      const __m512i high = _mm512_set1_epi8(static_cast<char>(0x80));
      const __m512i excess = _mm512_dpbusd_epi32(_mm512_setzero_si512(), high, b);
      return _mm512_sub_epi32(_mm512_dpbusd_epi32(c, _mm512_xor_si512(a, high), b), excess);
    });
  }
  template <int kC, int kA, int kB>
  void tdpbuud() {
    product(kC, kA, kB, [](__m512i c, __m512i a, __m512i b) {
      const __m512i high = _mm512_set1_epi8(static_cast<char>(0x80));
      const __m512i half = _mm512_set1_epi8(64);
      c = _mm512_dpbusd_epi32(c, a, _mm512_xor_si512(b, high));
      return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(c, a, half), a, half);
    });
  }
  template <int kC, int kA, int kB>
  void tdpbf16ps() {
    product(kC, kA, kB, [](__m512i c, __m512i a, __m512i b) {
      return _mm512_castps_si512(
          _mm512_dpbf16_ps(_mm512_castsi512_ps(c), (__m512bh)a, (__m512bh)b));
    });
  }
  template <int kC, int kA, int kB>
  void tdpfp16ps() {
    product(kC, kA, kB, [](__m512i c, __m512i a, __m512i b) {
      __m512 sum = _mm512_castsi512_ps(c);
      sum = _mm512_fmadd_ps(low(a), low(b), sum);
      return _mm512_castps_si512(_mm512_fmadd_ps(high(a), high(b), sum));
    });
  }
  template <int kC, int kA, int kB>
  void tcmmimfp16ps() {
    product(kC, kA, kB, [](__m512i c, __m512i a, __m512i b) {
      const __m512 sum = _mm512_fmadd_ps(high(a), low(b), _mm512_castsi512_ps(c));
      return _mm512_castps_si512(_mm512_fmadd_ps(low(a), high(b), sum));
    });
  }
  template <int kC, int kA, int kB>
  void tcmmrlfp16ps() {
    product(kC, kA, kB, [](__m512i c, __m512i a, __m512i b) {
      const __m512 sum = _mm512_fmadd_ps(low(a), low(b), _mm512_castsi512_ps(c));
      return _mm512_castps_si512(_mm512_fnmadd_ps(high(a), high(b), sum));
    });
  }

 private:
  // The halves at even and at odd positions.
  static __m512 low(__m512i v) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)); }
  static __m512 high(__m512i v) { return low(_mm512_srli_epi32(v, 16)); }

  __attribute__((noinline)) void load_tile(int t, const void* p, int64_t stride) {
    const __mmask64 mask = bytes_mask(t);
    const int rows = state_.loaded.rows[t];
    for (int r = 0; r < rows; ++r) {
      put(t, r, _mm512_maskz_loadu_epi8(mask, static_cast<const char*>(p) + r * stride));
    }
  }
  __attribute__((noinline)) void store_tile(int t, void* p, int64_t stride) {
    const __mmask64 mask = bytes_mask(t);
    const int rows = state_.loaded.rows[t];
    for (int r = 0; r < rows; ++r) {
      _mm512_mask_storeu_epi8(static_cast<char*>(p) + r * stride, mask, get(t, r));
    }
  }
  __mmask64 bytes_mask(int t) const { return ~__mmask64{0} >> (64 - state_.loaded.bytes_per_row[t]); }
  __m512i get(int t, int r) const { return _mm512_load_si512(tile_[t][r]); }
  void put(int t, int r, __m512i v) { _mm512_store_si512(tile_[t][r], v); }

  // Out of line: one copy for each product, not for each use of it.
  template <class Step>
  __attribute__((noinline)) void product(int c, int a, int b, const Step& step) {
    const int rows = state_.loaded.rows[c], groups = state_.loaded.bytes_per_row[a] / 4;
    int r = 0;
    for (; r + 4 <= rows; r += 4) rows_product<4>(c, a, b, r, groups, step);
    for (; r < rows; ++r) rows_product<1>(c, a, b, r, groups, step);
  }
  template <int kRows, class Step>
  void rows_product(int c, int a, int b, int r, int groups, const Step& step) {
    __m512i sum[kRows];
    for (int i = 0; i < kRows; ++i) sum[i] = get(c, r + i);
    for (int k = 0; k < groups; ++k) {
      const __m512i columns = get(b, k);
      for (int i = 0; i < kRows; ++i) {
        sum[i] = step(sum[i], _mm512_set1_epi32(tile_[a][r + i][k]), columns);
      }
    }
    const __mmask16 kept =
        static_cast<__mmask16>(0xffffu >> (16 - state_.loaded.bytes_per_row[c] / 4));
    for (int i = 0; i < kRows; ++i) put(c, r + i, _mm512_maskz_mov_epi32(kept, sum[i]));
  }

  TileState& state_;
  alignas(64) int32_t tile_[8][kTileRows][kTileRowBytes / 4] = {};
};

} // namespace
} // namespace xpu_lite::cpu::amx
