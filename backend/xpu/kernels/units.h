#pragma once

// Elements as they are moved: kernels that only move data exist once for each size.

#include "backend/xpu/kernels/device.h"

namespace xk {

using U1 = uint8_t;
using U2 = uint16_t;
using U4 = uint32_t;
using U8 = uint64_t;
struct alignas(16) U16 {
  uint64_t low, high;
};

template <class T>
inline T unit_of(const uint64_t* bits) {
  if constexpr (sizeof(T) == 16) return T{bits[0], bits[1]};
  else return static_cast<T>(bits[0]);
}

} // namespace xk
