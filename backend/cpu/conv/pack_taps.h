#pragma once

// A panel of a filter whose taps follow each other in memory (torch's plain layout, also
// turned around), a register at a time: weights that change at every step are packed at
// every step.

#include <cstdint>

#include "backend/cpu/conv/convolution.h"

namespace xpu_lite::cpu::conv {

struct TapPanel {
  const Filter* filter;
  int64_t panel;
  int64_t padded;      // channels of a tap in the packed form
  const int64_t* taps; // place in the packed form of the tap at each place in memory
};

// True where the taps of a filter are one dense stretch, in this order or the reverse.
constexpr bool taps_are_dense(const Filter& f) {
  const int64_t step = f.strides[3] < 0 ? -1 : 1;
  return f.strides[3] == step && f.strides[2] == step * f.width;
}

// Filters of float and bfloat16, packed as either; columns and channels that do not exist
// are left as they are.
namespace avx2 {
void pack_taps(const TapPanel& p, void* out);
}
namespace avx512 {
void pack_taps(const TapPanel& p, void* out);
}

} // namespace xpu_lite::cpu::conv
