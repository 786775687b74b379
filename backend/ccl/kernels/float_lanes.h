#pragma once

// bfloat16, half and the float8 types as lanes of float: widened exactly when
// loaded, rounded once to nearest even when stored, with torch's treatment of what
// does not fit (infinity where the type has one, else NaN).

#include "backend/ccl/kernels/lanes.h"

namespace xpu_lite::ccl::XPU_LITE_LEVEL {
namespace {

using Floats = Vector<float>;
using Words = Vector<uint32_t>;
constexpr int kFloats = kRegister / 4;
using Halves = Vector<uint16_t, kFloats>; // as many 16-bit elements as floats
using Bytes = Vector<uint8_t, kFloats>;

XPU_LITE_LANES Words words(uint32_t value) { return Words{} + value; }
XPU_LITE_LANES Floats floats(float value) { return Floats{} + value; }
// Exact for what fits in 31 bits and 24 digits.
XPU_LITE_LANES Floats to_floats(Words v) {
  return __builtin_convertvector(bit_cast<Vector<int32_t>>(v), Floats);
}

XPU_LITE_LANES Words widen(Halves v) {
#if defined(__AVX512F__)
  return bit_cast<Words>(_mm512_cvtepu16_epi32(bit_cast<__m256i>(v)));
#else
  return bit_cast<Words>(_mm256_cvtepu16_epi32(bit_cast<__m128i>(v)));
#endif
}

XPU_LITE_LANES Words widen(Bytes v) {
#if defined(__AVX512F__)
  return bit_cast<Words>(_mm512_cvtepu8_epi32(bit_cast<__m128i>(v)));
#else
  int64_t low;
  __builtin_memcpy(&low, &v, sizeof(low));
  return bit_cast<Words>(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(low)));
#endif
}

// The values fit: nothing is cut off.
XPU_LITE_LANES Halves narrow_to_halves(Words v) {
#if defined(__AVX512F__)
  return bit_cast<Halves>(_mm512_cvtepi32_epi16(bit_cast<__m512i>(v)));
#else
  const __m256i x = bit_cast<__m256i>(v);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(x, x), 0x08);
  return bit_cast<Halves>(_mm256_castsi256_si128(packed));
#endif
}

XPU_LITE_LANES Bytes narrow_to_bytes(Words v) {
#if defined(__AVX512F__)
  return bit_cast<Bytes>(_mm512_cvtepi32_epi8(bit_cast<__m512i>(v)));
#else
  const __m128i x = bit_cast<__m128i>(narrow_to_halves(v));
  const int64_t low = _mm_cvtsi128_si64(_mm_packus_epi16(x, x));
  Bytes out;
  __builtin_memcpy(&out, &low, sizeof(out));
  return out;
#endif
}

struct FloatLanes {
  using Lanes = Floats;
  static constexpr int kLanes = kFloats;
  static constexpr bool kFast = true;
  static XPU_LITE_LANES Lanes all(double value) { return floats(static_cast<float>(value)); }
};

struct BFloat16 : FloatLanes {
  using Memory = uint16_t;
  static XPU_LITE_LANES Floats load(const void* p) {
    return bit_cast<Floats>(widen(load_bytes<Halves>(p)) << 16);
  }
  static XPU_LITE_LANES void store(void* p, Floats v) {
    const Words bits = bit_cast<Words>(v);
    const Words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    store_bytes(p, narrow_to_halves(v != v ? words(0x7fc0u) : rounded));
  }
};

XPU_LITE_LANES Floats half_to_floats(Halves v) {
#if defined(__AVX512F__)
  return bit_cast<Floats>(_mm512_cvtph_ps(bit_cast<__m256i>(v)));
#else
  return bit_cast<Floats>(_mm256_cvtph_ps(bit_cast<__m128i>(v)));
#endif
}

struct Float16 : FloatLanes {
  using Memory = uint16_t;
  static XPU_LITE_LANES Floats load(const void* p) {
    return half_to_floats(load_bytes<Halves>(p));
  }
  static XPU_LITE_LANES void store(void* p, Floats v) {
#if defined(__AVX512F__)
    store_bytes(p, _mm512_cvtps_ph(bit_cast<__m512>(v), _MM_FROUND_TO_NEAREST_INT));
#else
    store_bytes(p, _mm256_cvtps_ph(bit_cast<__m256>(v), _MM_FROUND_TO_NEAREST_INT));
#endif
  }
};

// Sign, exponent, `Mantissa` bits. Unsigned zero: the code of -0 is the only NaN.
template <int Mantissa, int Bias, bool UnsignedZero>
struct Float8 : FloatLanes {
  using Memory = uint8_t;
  static constexpr bool kFast = false;
  static constexpr int kShift = 23 - Mantissa;
  static constexpr bool kInfinity = Mantissa == 2 && !UnsignedZero;
  static constexpr bool kOnlyNan = Mantissa == 3 && !UnsignedZero; // e4m3fn
  // The first float that is too large even before rounding: where the exponents end,
  // or for e4m3fn, which gives up one mantissa of the last exponent, 480.
  static constexpr uint32_t kTooLarge =
      kOnlyNan ? 0x43f00000u : ((0x80u >> Mantissa) - kInfinity - Bias + 127u) << 23;
  static constexpr uint32_t kNormal = static_cast<uint32_t>(128 - Bias) << 23;

  static XPU_LITE_LANES Floats load(const void* p) {
    const Words code = widen(load_bytes<Bytes>(p));
    const Words magnitude = code & 0x7fu;
    // 2^(1 - Bias - Mantissa), the value of the last digit of a subnormal.
    const Floats unit = bit_cast<Floats>(words((128u - Bias - Mantissa) << 23));
    const Floats tiny = to_floats(magnitude) * unit;
    const Words normal = (magnitude << kShift) + ((127u - Bias) << 23);
    Words bits = magnitude < (1u << Mantissa) ? bit_cast<Words>(tiny) : normal;
    if constexpr (UnsignedZero) {
      bits = code == 0x80u ? words(0x7fc00000u) : bits;
    } else if constexpr (kInfinity) {
      bits = magnitude == 0x7cu ? words(0x7f800000u) : bits;
      bits = magnitude > 0x7cu ? words(0x7fc00000u) : bits;
    } else {
      bits = magnitude == 0x7fu ? words(0x7fc00000u) : bits;
    }
    return bit_cast<Floats>(bits | ((code & 0x80u) << 24));
  }

  static XPU_LITE_LANES void store(void* p, Floats v) {
    const Words bits = bit_cast<Words>(v);
    const Words magnitude = bits & 0x7fffffffu;
    const Words sign = (bits >> 24) & 0x80u;
    // Below the normal numbers an addition rounds at the last digit.
    constexpr uint32_t magic = (127u + 1 - Bias + kShift) << 23;
    const Floats shifted = bit_cast<Floats>(magnitude) + bit_cast<Floats>(words(magic));
    const Words tiny = bit_cast<Words>(shifted) - magic;
    const Words odd = (magnitude >> kShift) & 1u;
    const Words normal =
        (magnitude - ((127u - Bias) << 23) + ((1u << (kShift - 1)) - 1u) + odd) >> kShift;
    Words code = magnitude < kNormal ? tiny : normal;
    if constexpr (UnsignedZero) {
      code = code == 0u ? code : (code | sign);
      code = magnitude >= kTooLarge ? words(0x80u) : code;
    } else {
      code = magnitude >= kTooLarge ? words(kInfinity ? 0x7cu : 0x7fu) : code;
      code = magnitude > 0x7f800000u ? words(0x7fu) : code;
      code |= sign;
    }
    store_bytes(p, narrow_to_bytes(code & 0xffu));
  }
};

using Float8_e4m3fn = Float8<3, 7, false>;
using Float8_e5m2 = Float8<2, 15, false>;
using Float8_e4m3fnuz = Float8<3, 8, true>;
using Float8_e5m2fnuz = Float8<2, 16, true>;

// A power of two without a sign: the exponent of a float, 255 for NaN.
struct Float8_e8m0fnu : FloatLanes {
  using Memory = uint8_t;
  static constexpr bool kFast = false;
  static XPU_LITE_LANES Floats load(const void* p) {
    const Words code = widen(load_bytes<Bytes>(p));
    const Words bits = code == 0u ? words(0x00400000u) : code << 23;
    return bit_cast<Floats>(code == 0xffu ? words(0x7fc00000u) : bits);
  }
  static XPU_LITE_LANES void store(void* p, Floats v) {
    const Words magnitude = bit_cast<Words>(v) & 0x7fffffffu;
    // Half way between two powers goes up; subnormal floats start from 2^-127 itself.
    const Words tie = magnitude < 0x00800000u ? words(0x3fffffu) : words(0x400000u);
    const Words code = (magnitude + tie) >> 23;
    store_bytes(p, narrow_to_bytes(magnitude >= 0x7f800000u ? words(0xffu) : code));
  }
};

} // namespace
} // namespace xpu_lite::ccl::XPU_LITE_LEVEL
