// Casts of 8-bit floats, which are stored and never computed with.
#include "backend/xpu/kernels/cast.h"

namespace {

// kExponent bits, a bias, and (e4m3fn) no infinity: its last code is not a number.
template <int kExponent, int kBias, bool kFinite>
struct Float8 {
  uint8_t bits;
  static constexpr int kMantissa = 7 - kExponent;

  Float8() = default;
  explicit Float8(float v) {
    const uint32_t all = sycl::bit_cast<uint32_t>(v), sign = all >> 31 << 7;
    const uint32_t magnitude = all & 0x7fffffffu;
    constexpr uint32_t kNan = 0x7f;
    // Too large: the largest number where there is no infinity.
    constexpr uint32_t kOver = kFinite ? kNan - 1 : ((1u << kExponent) - 1) << kMantissa;
    uint32_t code;
    const float size = sycl::bit_cast<float>(magnitude);
    const float smallest = sycl::bit_cast<float>(uint32_t(127 + 1 - kBias) << 23);
    if (magnitude > 0x7f800000u) {
      code = kNan;
    } else if (size < smallest) {
      // Subnormal: a sum with a number whose last place is the smallest step rounds.
      const float step = sycl::bit_cast<float>(uint32_t(127 + 1 - kBias - kMantissa + 23) << 23);
      code = sycl::bit_cast<uint32_t>(size + step) - sycl::bit_cast<uint32_t>(step);
    } else {
      const uint32_t odd = magnitude >> (23 - kMantissa) & 1u;
      const uint32_t round = (1u << (22 - kMantissa)) - 1u + odd;
      const uint32_t rounded = (magnitude + round - (uint32_t(127 - kBias) << 23)) >> (23 - kMantissa);
      code = rounded >= kOver ? kOver : rounded;
    }
    bits = uint8_t(sign | code);
  }
  explicit operator float() const {
    const uint32_t sign = uint32_t(bits >> 7) << 31, code = bits & 0x7fu;
    const uint32_t exponent = code >> kMantissa, mantissa = code & ((1u << kMantissa) - 1);
    constexpr uint32_t kLast = (1u << kExponent) - 1;
    uint32_t out;
    if (kFinite ? code == 0x7fu : exponent == kLast) {
      out = kFinite || mantissa != 0 ? 0x7fc00000u : 0x7f800000u;
    } else if (exponent == 0) {
      const float step = sycl::bit_cast<float>(uint32_t(127 + 1 - kBias - kMantissa) << 23);
      out = sycl::bit_cast<uint32_t>(float(mantissa) * step);
    } else {
      out = (exponent + 127 - kBias) << 23 | mantissa << (23 - kMantissa);
    }
    return sycl::bit_cast<float>(sign | out);
  }
};

} // namespace

namespace xk::type {
using f8e4m3 = Float8<4, 7, true>;
using f8e5m2 = Float8<5, 15, false>;
} // namespace xk::type

EW_CAST(f32, f8e4m3) EW_CAST(f8e4m3, f32) EW_CAST(f32, f8e5m2) EW_CAST(f8e5m2, f32)
