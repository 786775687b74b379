#pragma once

// Squares of outputs by taps, turned around in registers. Included by one file per
// instruction set, which defines XPU_LITE_LEVEL.

#include <algorithm>
#include <type_traits>

#include "backend/cpu/conv/pack_taps.h"
#include "backend/cpu/gemm/kernels.h"
#include "backend/cpu/gemm/levels/transpose.h"
#include "backend/cpu/gemm/levels/vector.h"

namespace xpu_lite::cpu::conv::XPU_LITE_LEVEL {
namespace {

using namespace gemm::XPU_LITE_LEVEL;

template <class From>
XPU_LITE_GEMM_INLINE Bits as_bfloat16(const From* p, int n) {
  const Reg x = n == kLanes ? load(p) : load(p, n);
  if constexpr (std::is_same_v<From, bfloat16>) return right<16>(bits(x));
  return to_bfloat16(x);
}

template <class To, class From>
void pack_taps_as(const TapPanel& p, float* out) {
  const Filter& f = *p.filter;
  constexpr int64_t group = std::is_same_v<To, float> ? 1 : 2;
  const int64_t taps = f.height * f.width, tap_rows = p.padded / group;
  const int64_t first = p.panel * gemm::kPanel;
  const int64_t columns = std::min<int64_t>(gemm::kPanel, f.out_channels - first);
  // The tap that is first in memory.
  const int64_t origin = f.strides[3] < 0 ? 1 - taps : 0;
  const From* from = static_cast<const From*>(f.data) + origin + first * f.strides[0];
  for (int64_t y = 0; y < columns; y += kLanes) {
    const int64_t lines = std::min<int64_t>(kLanes, columns - y);
    for (int64_t c = 0; c < f.channels; c += group) {
      for (int64_t x = 0; x < taps; x += kLanes) {
        const int n = static_cast<int>(std::min<int64_t>(kLanes, taps - x));
        const From* at = from + y * f.strides[0] + c * f.strides[1] + x;
        Reg square[kLanes];
        for (int i = 0; i < kLanes; ++i) {
          square[i] = zero();
          if (i >= lines) continue;
          const From* line = at + i * f.strides[0];
          if constexpr (group == 1) {
            square[i] = n == kLanes ? load(line) : load(line, n);
          } else {
            Bits pair = as_bfloat16(line, n);
            if (c + 1 < f.channels) pair = add(pair, left<16>(as_bfloat16(line + f.strides[1], n)));
            square[i] = floats(pair);
          }
        }
        transpose(square);
        for (int i = 0; i < n; ++i) {
          store(out + (p.taps[x + i] * tap_rows + c / group) * gemm::kPanel + y, square[i]);
        }
      }
    }
  }
}

} // namespace

void pack_taps(const TapPanel& p, void* out) {
  float* to = static_cast<float*>(out);
  const bool from_float = p.filter->data_dtype == DType::Float;
  if (p.filter->dtype == DType::Float) {
    from_float ? pack_taps_as<float, float>(p, to) : pack_taps_as<float, bfloat16>(p, to);
  } else {
    from_float ? pack_taps_as<bfloat16, float>(p, to) : pack_taps_as<bfloat16, bfloat16>(p, to);
  }
}

} // namespace xpu_lite::cpu::conv::XPU_LITE_LEVEL
