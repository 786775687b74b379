#pragma once

// bfloat16 and half as storage: two bytes in memory, float in registers. Every
// kernel that reads or writes them computes in float and rounds once, to nearest
// even, when it stores.

#include <cstdint>
#include <cstring>

#if defined(__F16C__)
#include <immintrin.h>
#endif

// A copy of these functions in the object file of a higher instruction set must
// never be the one that the linker keeps (see dispatch.h).
#define XPU_LITE_INLINE inline __attribute__((always_inline))

namespace xpu_lite::cpu {

XPU_LITE_INLINE uint32_t float_bits(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  return bits;
}

XPU_LITE_INLINE float bits_float(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}

XPU_LITE_INLINE uint16_t float_to_bfloat16_bits(float value) {
  const uint32_t bits = float_bits(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  // Written without a branch, so that loops over it vectorise. A NaN whose
  // payload lies in the low half would round to infinity.
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return static_cast<uint16_t>(nan ? 0x7fc0u : rounded);
}

XPU_LITE_INLINE float bfloat16_bits_to_float(uint16_t bits) {
  return bits_float(static_cast<uint32_t>(bits) << 16);
}

#if defined(__F16C__)
XPU_LITE_INLINE uint16_t float_to_half_bits(float value) {
  return static_cast<uint16_t>(_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT));
}

XPU_LITE_INLINE float half_bits_to_float(uint16_t bits) { return _cvtsh_ss(bits); }
#else
XPU_LITE_INLINE uint16_t float_to_half_bits(float value) {
  const uint32_t bits = float_bits(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {
    // Subnormal: adding 0.5 leaves the rounded mantissa in the low bits.
    const float shifted = bits_float(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (float_bits(shifted) - 0x3f000000u));
  }
  const uint32_t odd = (magnitude >> 13) & 1u;
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

XPU_LITE_INLINE float half_bits_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu;
  const uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0x1fu) return bits_float(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {
    const float tiny = static_cast<float>(mantissa) * 5.9604644775390625e-8f; // 2^-24
    return bits_float(sign | float_bits(tiny));
  }
  return bits_float(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}
#endif

struct bfloat16 {
  uint16_t bits;
  bfloat16() = default;
  XPU_LITE_INLINE bfloat16(float value) : bits(float_to_bfloat16_bits(value)) {}
  XPU_LITE_INLINE operator float() const { return bfloat16_bits_to_float(bits); }
};

struct half {
  uint16_t bits;
  half() = default;
  XPU_LITE_INLINE half(float value) : bits(float_to_half_bits(value)) {}
  XPU_LITE_INLINE operator float() const { return half_bits_to_float(bits); }
};

static_assert(sizeof(bfloat16) == 2 && sizeof(half) == 2, "storage types");

// The type that arithmetic on T uses: accumulate_t<bfloat16> is float.
template <class T>
struct Accumulate {
  using type = T;
};
template <>
struct Accumulate<bfloat16> {
  using type = float;
};
template <>
struct Accumulate<half> {
  using type = float;
};
template <class T>
using accumulate_t = typename Accumulate<T>::type;

} // namespace xpu_lite::cpu
