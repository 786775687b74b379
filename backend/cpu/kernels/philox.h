#pragma once

// Philox4x32-10, the counter-based generator behind every random operator, and
// the numbering of its output. Salmon, Moraes, Dror, Shaw: "Parallel random
// numbers: as easy as 1, 2, 3" (SC 2011).
//
// Note [Philox layout]
// Every engine must repeat this, so that a seed gives the same numbers on all
// devices, with any number of threads.
//   key        words 0, 1 = low, high half of the seed
//   counter    words 0, 1 = low, high half of offset / 4
//              words 2, 3 = low, high half of the block number b
//   offset     the generator's, a multiple of 4. One operator call takes one
//              value of the offset (the generator advances by 4), whatever its
//              size: the blocks of a call differ in the upper half.
//   32-bit draws: element i takes word i % 4 of block i / 4
//   64-bit draws: element i takes words 2 (i % 2) and 2 (i % 2) + 1 of block
//              i / 2; the first is the high half
//   i counts elements in logical (row-major) order; native_dropout on a dense
//   tensor that is not row-major counts in memory order.
// Keyed operators (_philox_uniform_, _philox_normal_) take (seed, offset) from
// their key and step words 0, 1 instead: offset + b, with words 2, 3 zero.
//
// What is drawn:
//   uniform        float: low 24 bits / 2^24, half 11, bfloat16 8 (32-bit draws);
//                  double: low 53 bits / 2^53 (64-bit draws);
//                  then u * (to - from) + from, and `from` if that rounds to `to`
//   normal         Box-Muller on the draws (2k, 2k+1) of elements 2k, 2k+1; double:
//                  the 64-bit draws. u = (x + 1/2) / 2^32, or (top 52 bits + 1/2)
//                  / 2^52; radius sqrt(-2 ln u1), angle 2 pi u2
//   log_normal     exp of that normal, in double
//   exponential, cauchy   float types: 32-bit draws; double: 64-bit draws
//   geometric      64-bit draws, in double
//   random_        floor(x * range / 2^32) with 32-bit draws if range <= 2^24 or a
//                  power of two <= 2^32, else the same with 64-bit draws
//   bernoulli, dropout    keep if x < ceil(p * 2^32) (32-bit draws); with a tensor
//                  of probabilities: x / 2^32 < p
//
// Same bits on every instruction set: the transforms use only +, -, *, /, sqrt
// and explicit fma, each correctly rounded, in a fixed order; their files are
// compiled without contraction and without fast-math. An engine whose division or
// sqrt is not correctly rounded may differ in the last bits of normal,
// exponential, cauchy, geometric and log_normal, never in the others.

#include <cstdint>

namespace xpu_lite::cpu {

// Where a call's numbers begin. Block b has counter (low + b, high) if
// `step_low`, else (low, high + b).
struct PhiloxStream {
  uint64_t seed = 0;
  uint64_t low = 0;
  uint64_t high = 0;
  bool step_low = false;

  static PhiloxStream of_generator(uint64_t seed, uint64_t offset) {
    return {seed, offset / 4, 0, false};
  }
  static PhiloxStream of_key(uint64_t seed, uint64_t offset) {
    return {seed, offset, 0, true};
  }
};

// Always inlined: this is compiled for several instruction sets in one library.
#define XPU_LITE_ALWAYS_INLINE static inline __attribute__((always_inline))

// One block: counter[4] becomes four random words.
XPU_LITE_ALWAYS_INLINE void philox4x32_10(uint32_t counter[4], uint32_t key0, uint32_t key1) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0;
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key1;
    c3 = static_cast<uint32_t>(p0);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  counter[0] = c0, counter[1] = c1, counter[2] = c2, counter[3] = c3;
}

// The four words of block `b`.
XPU_LITE_ALWAYS_INLINE void philox_block(const PhiloxStream& stream, uint64_t b, uint32_t words[4]) {
  const uint64_t low = stream.low + (stream.step_low ? b : 0);
  const uint64_t high = stream.high + (stream.step_low ? 0 : b);
  words[0] = static_cast<uint32_t>(low), words[1] = static_cast<uint32_t>(low >> 32);
  words[2] = static_cast<uint32_t>(high), words[3] = static_cast<uint32_t>(high >> 32);
  philox4x32_10(words, static_cast<uint32_t>(stream.seed),
                static_cast<uint32_t>(stream.seed >> 32));
}

} // namespace xpu_lite::cpu
