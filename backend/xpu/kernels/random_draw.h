#pragma once

// How work-items share the blocks of a Philox stream: one block to an item. Device
// code.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/random_args.h"

// The compiler's builtin stops the vectoriser on CPU devices.
#define XPU_LITE_OWN_FMA sycl::fma
#include "backend/cpu/kernels/random_math.h"

namespace xk {

using xpu_lite::cpu::PhiloxStream;

// body(words, first element, elements) for every block of n elements, `Each` to a
// block: 4 with 32-bit draws, 2 with 64-bit draws.
template <int Each, class Body>
inline void for_blocks(int64_t n, const PhiloxStream& stream, const Body& body) {
  const int64_t b = static_cast<int64_t>(item().get_global_id(0)), at = b * Each;
  if (at >= n) return;
  uint32_t words[4];
  xpu_lite::cpu::philox_block(stream, static_cast<uint64_t>(b), words);
  body(words, at, n - at < Each ? static_cast<int>(n - at) : Each);
}

inline uint64_t draw64(const uint32_t* words, int i) {
  return uint64_t{words[2 * i]} << 32 | words[2 * i + 1];
}

template <class T, class Value>
inline T stored(Value x) {
  if constexpr (std::is_same_v<T, bf16> && std::is_same_v<Value, float>) {
    return to_bf16(x);
  } else {
    return static_cast<T>(x);
  }
}

// Unrolled with a guard, not a loop to m: an index that is no constant would put the
// values into memory.
template <int Each, class T, class Value>
inline void store_block(T* out, const Value* values, int64_t at, int m) {
  if (m == Each) {
#pragma unroll
    for (int i = 0; i < Each; ++i) out[at + i] = stored<T>(values[i]);
  } else {
#pragma unroll
    for (int i = 0; i < Each; ++i) {
      if (i < m) out[at + i] = stored<T>(values[i]);
    }
  }
}

// make(words, values) turns a block of words into values: 4 floats, 2 doubles.
template <class T, class Real, class Make>
inline void fill_blocks(void* out, int64_t n, const PhiloxStream& stream, const Make& make) {
  constexpr int each = sizeof(Real) == 8 ? 2 : 4;
  for_blocks<each>(n, stream, [&](const uint32_t* words, int64_t at, int m) {
    Real values[each];
    make(words, values);
    store_block<each>(static_cast<T*>(out), values, at, m);
  });
}

template <class T>
using real_of = std::conditional_t<std::is_same_v<T, double>, double, float>;

// Floats of an element type.
template <class T>
inline float round_to(float x) {
  return widen(narrow<T>(x));
}
template <>
inline float round_to<float>(float x) {
  return x;
}

// values = uniform numbers in [low, high): `width` is high - low before both were
// rounded to T.
template <class T>
inline void uniform_block(const uint32_t* w, float low, float high, float width, float* v) {
  constexpr int digits = std::is_same_v<T, float> ? 24 : std::is_same_v<T, f16> ? 11 : 8;
  constexpr int32_t mask = (1 << digits) - 1;
  constexpr float unit = 1.0f / static_cast<float>(1 << digits);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float u = static_cast<float>(static_cast<int32_t>(w[i]) & mask) * unit;
    const float value = round_to<T>(xpu_lite::cpu::fma_of(u, width, low));
    v[i] = value < high ? value : low;
  }
}
template <class T>
inline void uniform_block(const uint32_t* w, double low, double high, double width, double* v) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const uint64_t bits = draw64(w, i) & 0x1fffffffffffffu;
    const double top =
        __builtin_bit_cast(double, (bits >> 1) | uint64_t{0x3ff0000000000000u}) - 1.0;
    const double u = top + (bits & 1 ? 0x1p-53 : 0.0);
    const double value = xpu_lite::cpu::fma_of(u, width, low);
    v[i] = value < high ? value : low;
  }
}

inline void normal_block(const uint32_t* w, float* v) {
  using namespace xpu_lite::cpu;
#pragma unroll
  for (int i = 0; i < 4; i += 2) {
    const float radius = sycl::sqrt(-2.0f * log_of(open_unit(w[i])));
    const auto at = sincos_turns(w[i + 1]);
    v[i] = radius * at.cos;
    v[i + 1] = radius * at.sin;
  }
}
inline void normal_block(const uint32_t* w, double* v) {
  using namespace xpu_lite::cpu;
  const double radius = sycl::sqrt(-2.0 * log_of(open_unit(draw64(w, 0))));
  const auto at = sincos_turns(draw64(w, 1));
  v[0] = radius * at.cos;
  v[1] = radius * at.sin;
}

} // namespace xk
