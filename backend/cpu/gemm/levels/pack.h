#pragma once

// Panels from weights that are dense in one direction, a register at a time.
// Included by one file per instruction set, which defines XPU_LITE_LEVEL.

#include <type_traits>

#include "backend/cpu/gemm/kernels.h"
#include "backend/cpu/gemm/levels/transpose.h"
#include "backend/cpu/gemm/levels/vector.h"

namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL {
namespace {

// The first n values as bfloat16 in the low halves: exactly, where they are bfloat16.
template <class From>
XPU_LITE_GEMM_INLINE Bits low_halves(const From* p, int n) {
  const Reg x = n == kLanes ? load(p) : load(p, n);
  if constexpr (std::is_same_v<From, bfloat16>) return right<16>(bits(x));
  return to_bfloat16(x);
}

// k is dense: columns are lines, turned around. A pair of bfloat16 is one value.
template <class To, class From>
void pack_along_k(const Weight& w, int64_t panel, float* to) {
  const int64_t first = panel * kPanel;
  const int64_t columns = w.n - first < kPanel ? w.n - first : kPanel;
  const From* from = static_cast<const From*>(w.data) + first * w.n_stride;
  if constexpr (std::is_same_v<To, float>) {
    transpose_lines(columns, w.k, [&](int64_t j, int64_t p, int n) {
      const From* x = from + j * w.n_stride + p;
      return n == kLanes ? load(x) : load(x, n);
    }, to, kPanel);
  } else {
    transpose_lines(columns, (w.k + 1) / 2, [&](int64_t j, int64_t pair, int) {
      const From* x = from + j * w.n_stride + 2 * pair;
      const int64_t left = w.k - 2 * pair;
      if constexpr (std::is_same_v<From, bfloat16>) {
        if (left >= 2 * kLanes) return floats(load_bits(x));
      }
      alignas(64) uint16_t pairs[2 * kLanes] = {};
      const auto narrowed = [&](int64_t at) {
        const int n = left - at < kLanes ? static_cast<int>(left - at) : kLanes;
        if (n > 0) store_narrow(pairs + at, narrow(low_halves(x + at, n)), n);
      };
      if (left >= 2 * kLanes) {
        store_narrow(pairs, narrow(low_halves(x, kLanes)));
        store_narrow(pairs + kLanes, narrow(low_halves(x + kLanes, kLanes)));
      } else {
        narrowed(0);
        narrowed(kLanes);
      }
      return floats(load_bits(pairs));
    }, to, kPanel);
  }
}

// n is dense: rows are copied, two and two together for bfloat16.
template <class To, class From>
void pack_along_n(const Weight& w, int64_t panel, float* to) {
  const int64_t first = panel * kPanel;
  const int64_t columns = w.n - first < kPanel ? w.n - first : kPanel;
  const From* from = static_cast<const From*>(w.data) + first;
  constexpr int64_t step = std::is_same_v<To, float> ? 1 : 2;
  for (int64_t p = 0; p < w.k; p += step, to += kPanel) {
    const From* row = from + p * w.k_stride;
    for (int64_t j = 0; j < columns; j += kLanes) {
      const int n = columns - j < kLanes ? static_cast<int>(columns - j) : kLanes;
      if constexpr (std::is_same_v<To, float>) {
        store(to + j, n == kLanes ? load(row + j) : load(row + j, n));
      } else {
        Bits pair = low_halves(row + j, n);
        if (p + 1 < w.k) {
          pair = add(pair, left<16>(low_halves(row + w.k_stride + j, n)));
        }
        store(to + j, floats(pair));
      }
    }
  }
}

template <class To, class From>
bool pack_from(const Weight& w, int64_t panel, void* to) {
  if (w.k_stride == 1) {
    pack_along_k<To, From>(w, panel, static_cast<float*>(to));
  } else if (w.n_stride == 1) {
    pack_along_n<To, From>(w, panel, static_cast<float*>(to));
  } else {
    return false;
  }
  return true;
}

template <class To>
bool pack_to(const Weight& w, int64_t panel, void* to) {
  switch (w.data_dtype) {
    case DType::Float: return pack_from<To, float>(w, panel, to);
    case DType::BFloat16: return pack_from<To, bfloat16>(w, panel, to);
    default: return pack_from<To, half>(w, panel, to);
  }
}

} // namespace

bool pack_panel(const Weight& w, int64_t panel, void* to) {
  if (w.dtype == DType::Float) return pack_to<float>(w, panel, to);
  if (w.dtype == DType::BFloat16) return pack_to<bfloat16>(w, panel, to);
  return false;
}

} // namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL
