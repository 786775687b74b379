#pragma once

// 64-bit integers as floats, rounded once, from 32-bit conversions and arithmetic: CPU devices
// convert the whole number by a call for each element.

#include "backend/xpu/kernels/device.h"

namespace xk {

inline float float_of(uint64_t v) {
  // From here on the lowest 16 bits only tell to which side of a tie the number lies: one bit
  // above them, far below the last place of the result, remembers that they are not all zero.
  const bool large = v >= uint64_t(1) << 42;
  const uint64_t marked = v | ((v & 0xffff) + 0xffff), kept = large ? marked >> 16 : v;
  const float high = float(int32_t(kept >> 24)), low = float(int32_t(kept & 0xffffff));
  return sycl::fma(high, 16777216.0f, low) * (large ? 65536.0f : 1.0f);
}
inline float float_of(int64_t v) {
  const float size = float_of(uint64_t(v < 0 ? 0 - uint64_t(v) : uint64_t(v)));
  return v < 0 ? -size : size;
}

inline double double_of(uint64_t v) {
  return sycl::fma(double(uint32_t(v >> 32)), 4294967296.0, double(uint32_t(v)));
}
inline double double_of(int64_t v) {
  return sycl::fma(double(int32_t(v >> 32)), 4294967296.0, double(uint32_t(v)));
}

// Of any type: as the language converts it.
template <class To, class From>
inline To float_from(From v) {
  if constexpr (sizeof(From) == 8 && std::is_integral_v<From>) {
    using Wide = std::conditional_t<std::is_signed_v<From>, int64_t, uint64_t>;
    if constexpr (std::is_same_v<To, float>) return float_of(Wide(v));
    if constexpr (std::is_same_v<To, double>) return double_of(Wide(v));
  }
  return To(v);
}

} // namespace xk
