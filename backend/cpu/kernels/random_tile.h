#pragma once

// What the random kernels share: tiles of Philox words, and tiles of results
// rounded to a type. A tile lives in the first-level cache, and its loops have a
// fixed length, so that they vectorise without remainders.

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "backend/cpu/kernels/philox.h"
#include "backend/cpu/kernels/random_fill.h"
#include "backend/cpu/parallel.h"

namespace xpu_lite::cpu {

constexpr int64_t kTile = 1024;       // 32-bit words; also elements with 32-bit draws
constexpr int64_t kTileGrain = 8;     // tiles that are worth a thread

// The words of blocks [first, first + kTile / 4), in order. A tile may cross a 2^32
// boundary of the counter, so the carry is computed for each block.
XPU_LITE_ALWAYS_INLINE void philox_tile(const PhiloxStream& stream, uint64_t first, uint32_t* words) {
  const uint32_t key0 = static_cast<uint32_t>(stream.seed);
  const uint32_t key1 = static_cast<uint32_t>(stream.seed >> 32);
  const uint64_t low = stream.low + (stream.step_low ? first : 0);
  const uint64_t high = stream.high + (stream.step_low ? 0 : first);
  const uint64_t low_step = stream.step_low ? 1 : 0, high_step = stream.step_low ? 0 : 1;
#pragma GCC ivdep
  for (int64_t b = 0; b < kTile / 4; ++b) {
    const uint64_t l = low + low_step * static_cast<uint32_t>(b);
    const uint64_t h = high + high_step * static_cast<uint32_t>(b);
    uint32_t c0 = static_cast<uint32_t>(l), c1 = static_cast<uint32_t>(l >> 32);
    uint32_t c2 = static_cast<uint32_t>(h), c3 = static_cast<uint32_t>(h >> 32);
    uint32_t k0 = key0, k1 = key1;
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
      const uint32_t hi0 = static_cast<uint32_t>((uint64_t{0xD2511F53u} * c0) >> 32);
      const uint32_t hi1 = static_cast<uint32_t>((uint64_t{0xCD9E8D57u} * c2) >> 32);
      const uint32_t lo0 = 0xD2511F53u * c0, lo1 = 0xCD9E8D57u * c2;
      c0 = hi1 ^ c1 ^ k0;
      c1 = lo1;
      c2 = hi0 ^ c3 ^ k1;
      c3 = lo0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    words[4 * b] = c0, words[4 * b + 1] = c1, words[4 * b + 2] = c2, words[4 * b + 3] = c3;
  }
}

// The 64-bit draws of a tile: the first word is the high half.
XPU_LITE_ALWAYS_INLINE void join_words(const uint32_t* words, uint64_t* draws) {
  for (int64_t i = 0; i < kTile / 2; ++i) {
    draws[i] = uint64_t{words[2 * i]} << 32 | words[2 * i + 1];
  }
}

// A tile of floats to half and bfloat16 (nearest even) and back. n is a multiple of 8.
XPU_LITE_ALWAYS_INLINE void to_half(const float* from, uint16_t* to, int64_t n) {
  for (int64_t i = 0; i < n; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
  }
}
XPU_LITE_ALWAYS_INLINE void from_half(const uint16_t* from, float* to, int64_t n) {
  for (int64_t i = 0; i < n; i += 8) {
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(
                                 reinterpret_cast<const __m128i*>(from + i))));
  }
}
XPU_LITE_ALWAYS_INLINE void to_bfloat16(const float* from, uint16_t* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t bits = __builtin_bit_cast(uint32_t, from[i]);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1)) >> 16;
    const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    to[i] = static_cast<uint16_t>(nan ? bits >> 16 | 0x40u : rounded);
  }
}
XPU_LITE_ALWAYS_INLINE void from_bfloat16(const uint16_t* from, float* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = __builtin_bit_cast(float, uint32_t{from[i]} << 16);
}

// Stores the first m of a tile of floats as Half, BFloat16 or Float at out[at].
XPU_LITE_ALWAYS_INLINE void store_floats(const float* tile, void* out, RandomType type, int64_t at,
                                  int64_t m) {
  if (type == RandomType::Float) {
    std::memcpy(static_cast<float*>(out) + at, tile, m * sizeof(float));
    return;
  }
  alignas(64) uint16_t narrow[kTile];
  if (type == RandomType::Half) {
    to_half(tile, narrow, kTile);
  } else {
    to_bfloat16(tile, narrow, kTile);
  }
  std::memcpy(static_cast<uint16_t*>(out) + at, narrow, m * sizeof(uint16_t));
}

// Loads m of them; the rest of the tile is zero.
XPU_LITE_ALWAYS_INLINE void load_floats(const void* in, RandomType type, int64_t at, int64_t m,
                                 float* tile) {
  if (type == RandomType::Float) {
    if (m < kTile) std::memset(tile + m, 0, (kTile - m) * sizeof(float));
    std::memcpy(tile, static_cast<const float*>(in) + at, m * sizeof(float));
    return;
  }
  alignas(64) uint16_t narrow[kTile];
  if (m < kTile) std::memset(narrow + m, 0, (kTile - m) * sizeof(uint16_t));
  std::memcpy(narrow, static_cast<const uint16_t*>(in) + at, m * sizeof(uint16_t));
  if (type == RandomType::Half) {
    from_half(narrow, tile, kTile);
  } else {
    from_bfloat16(narrow, tile, kTile);
  }
}

} // namespace xpu_lite::cpu

namespace xpu_lite::cpu::XPU_LITE_LEVEL {

// Calls tile(words, first element, elements) for all tiles of n elements, in
// parallel; `per_tile` elements take one tile of words.
template <class Tile>
static void for_tiles(int64_t n, int64_t per_tile, const PhiloxStream& stream, const Tile& tile) {
  const int64_t tiles = (n + per_tile - 1) / per_tile;
  parallel_for(0, tiles, kTileGrain, [&](int64_t first, int64_t last) {
    alignas(64) uint32_t words[kTile];
    for (int64_t t = first; t < last; ++t) {
      philox_tile(stream, static_cast<uint64_t>(t) * (kTile / 4), words);
      const int64_t at = t * per_tile;
      tile(words, at, n - at < per_tile ? n - at : per_tile);
    }
  });
}

} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
