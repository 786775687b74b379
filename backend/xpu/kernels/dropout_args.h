#pragma once

// Arguments of the dropout kernels.

#include <cstdint>

#include "backend/cpu/kernels/philox.h"

namespace xpu_lite::xpu {

template <class Real>
struct DropoutArgs {
  void* out;
  uint8_t* mask;
  const void* in;
  int64_t n;
  cpu::PhiloxStream stream;
  uint32_t last; // the largest draw that keeps
  uint8_t yes;   // 0 when no draw keeps
  Real scale;
};

template <class Real>
struct MaskedScaleArgs {
  void* out;
  const void* in;
  const uint8_t* mask;
  int64_t n;
  Real scale;
};

} // namespace xpu_lite::xpu
