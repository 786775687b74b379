#pragma once

// The micro-kernel of a filter's gradient, and what comes before and after it. Included by
// one file per instruction set, which defines XPU_LITE_LEVEL.
//
// A step loads two registers of the panel and, for each channel, one entry that goes to all
// lanes. The entries of a step are neighbours: one address serves all of them.

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "backend/cpu/conv/gradient_kernels.h"
#include "backend/cpu/gemm/levels/transpose.h"
#include "backend/cpu/gemm/levels/vector.h"

namespace xpu_lite::cpu::conv::XPU_LITE_LEVEL {
namespace {

using namespace gemm::XPU_LITE_LEVEL;
using gemm::kPanel;

#if defined(__AVX512F__)
constexpr int kGradientRows = 14; // 28 sums in 32 registers
#else
constexpr int kGradientRows = 6;
#endif
constexpr int kColumns = 2 * kLanes; // of a tile: the panel, or with AVX2 half of it

struct Products {
  template <int rows>
  static XPU_LITE_GEMM_INLINE void add(const char* a, const char* w, Reg (&sum)[rows][2]) {
    const float* x = reinterpret_cast<const float*>(a);
    const float* panel = reinterpret_cast<const float*>(w);
    const Reg w0 = load(panel), w1 = load(panel + kLanes);
#pragma GCC unroll 14
    for (int r = 0; r < rows; ++r) {
      const Reg value = splat(x[r]);
      sum[r][0] = fma(value, w0, sum[r][0]);
      sum[r][1] = fma(value, w1, sum[r][1]);
    }
  }
};

#if defined(__AVX512BF16__)
struct PairProducts {
  template <int rows>
  static XPU_LITE_GEMM_INLINE void add(const char* a, const char* w, Reg (&sum)[rows][2]) {
    const int32_t* x = reinterpret_cast<const int32_t*>(a);
    const __m512bh w0 = (__m512bh)load_bits(w), w1 = (__m512bh)load_bits(w + kLanes * 4);
#pragma GCC unroll 14
    for (int r = 0; r < rows; ++r) {
      const __m512bh value = (__m512bh)splat_bits(x[r]);
      sum[r][0] = _mm512_dpbf16_ps(sum[r][0], value, w0);
      sum[r][1] = _mm512_dpbf16_ps(sum[r][1], value, w1);
    }
  }
};
#endif

template <class Step, int rows>
void gradient_tile(const GradientTile& t) {
  constexpr int64_t block_bytes = (kGradientRows + kLanes - 1) / kLanes * kLanes * kEntryBytes;
  for (int column = 0; column < kPanel; column += kColumns) {
    float* const out = t.sums + column;
    Reg sum[rows][2];
#pragma GCC unroll 28
    for (int i = 0; i < rows * 2; ++i) {
      sum[i / 2][i % 2] =
          t.accumulate ? load(out + i / 2 * kPanel + i % 2 * kLanes) : zero();
    }
    for (int64_t run = 0; run < t.runs; ++run) {
      const char* a = t.a + t.a_at[run];
      const char* w = t.panel + t.panel_at[run] + column * kEntryBytes;
      for (int64_t step = t.steps; step > 0; --step) {
        Step::template add<rows>(a, w, sum);
        a += block_bytes;
        w += kPanelStep;
      }
    }
#pragma GCC unroll 28
    for (int i = 0; i < rows * 2; ++i) {
      store(out + i / 2 * kPanel + i % 2 * kLanes, sum[i / 2][i % 2]);
    }
  }
}

template <class Step>
void gradient_tile_of_rows(const GradientTile& t) {
  struct Table {
    void (*of[kGradientRows])(const GradientTile&);
  };
  static constexpr Table by_rows = []<int... r>(std::integer_sequence<int, r...>) {
    return Table{{gradient_tile<Step, r + 1>...}};
  }(std::make_integer_sequence<int, kGradientRows>{});
  by_rows.of[t.rows - 1](t);
}

// n values as registers, read whole where the memory is there.
template <class From>
XPU_LITE_GEMM_INLINE Reg load_some(const From* p, int n, const void* end) {
  return p + kLanes <= end ? load(p) : load(p, n);
}

// Channels are neighbours: entry after entry.
template <class From, bool pairs>
void stage_pixels(const StageEntries& s) {
  const int n = static_cast<int>(s.channels);
  const From* row = static_cast<const From*>(s.row);
  const auto pixel = [&](int64_t x) {
    return x < 0 || x >= s.width ? zero() : load_some(row + x * s.stride, n, s.end);
  };
  float* out = reinterpret_cast<float*>(s.out);
  int64_t x = s.first;
  for (int64_t i = 0; i < s.entries; ++i, out += kLanes) {
    if constexpr (pairs) {
      const Bits low = right<16>(bits(pixel(x)));
      store(out, floats(add(low, bits(pixel(x + s.step))))); // the high halves' low ones are 0
      x += 2 * s.step;
    } else {
      store(out, pixel(x));
      x += s.step;
    }
  }
}

// Pixels are neighbours: a line for each channel, then all of them turned around.
template <class From, bool pairs>
void stage_lines(const StageEntries& s) {
  constexpr int64_t group = pairs ? 2 : 1;
  const int64_t pixels = s.entries * group, pitch = line_bytes(s.entries);
  // Pixel first + j * step exists for j in [begin, end).
  const int64_t begin = std::clamp<int64_t>((s.step - 1 - s.first) / s.step, 0, pixels);
  const int64_t end =
      std::clamp<int64_t>((s.width - 1 - s.first + s.step) / s.step, begin, pixels);
  for (int64_t c = 0; c < s.channels; ++c) {
    const From* row = static_cast<const From*>(s.row) + c * s.stride + s.first;
    From* line = reinterpret_cast<From*>(s.scratch + c * pitch);
    std::memset(static_cast<void*>(line), 0, static_cast<size_t>(begin) * sizeof(From));
    if (s.step == 1) {
      std::memcpy(static_cast<void*>(line + begin), row + begin,
                  static_cast<size_t>(end - begin) * sizeof(From));
    } else {
      for (int64_t j = begin; j < end; ++j) line[j] = row[j * s.step];
    }
    std::memset(static_cast<void*>(line + end), 0,
                static_cast<size_t>(pixels - end) * sizeof(From));
  }
  transpose_lines(s.channels, s.entries, [&](int64_t c, int64_t i, int) {
    const From* line = reinterpret_cast<const From*>(s.scratch + c * pitch) + i * group;
    if constexpr (pairs) return floats(load_bits(line));
    return load(line); // to the end of the scratch at most
  }, reinterpret_cast<float*>(s.out), kLanes);
}

template <class From, bool pairs>
void stage_entries(const StageEntries& s) {
  s.channels_last ? stage_pixels<From, pairs>(s) : stage_lines<From, pairs>(s);
}

// Stretches of the result that are dense: of the channels, or of the taps of one channel.
template <class To>
void finish_gradient_as(const FinishGradient& f) {
  const WeightGradient& g = *f.gradient;
  const int64_t columns = std::min<int64_t>(kPanel, g.out_channels - f.output);
  const int64_t width = g.horizontal.size, taps = g.vertical.size * width;
  To* result = static_cast<To*>(g.result) + f.output * g.strides[0] + f.channel * g.strides[1];
  const bool by_channel = g.strides[1] == 1;
  const bool by_tap = taps > 1 && g.strides[3] == 1 && g.strides[2] == width;
  if (!by_channel && !by_tap) {
    for (int64_t t = 0; t < taps; ++t) {
      To* to = result + t / width * g.strides[2] + t % width * g.strides[3];
      for (int64_t r = 0; r < f.rows; ++r) {
        for (int64_t o = 0; o < columns; ++o) {
          to[r * g.strides[1] + o * g.strides[0]] = To(f.sums[(t * f.rows + r) * kPanel + o]);
        }
      }
    }
    return;
  }
  const bool channels = !by_tap;
  const int64_t lines = channels ? f.rows : taps, others = channels ? taps : f.rows;
  const int64_t line_step = channels ? kPanel : f.rows * kPanel;
  const int64_t other_step = channels ? f.rows * kPanel : kPanel;
  for (int64_t other = 0; other < others; ++other) {
    To* to = result + (channels ? other / width * g.strides[2] + other % width * g.strides[3]
                                : other * g.strides[1]);
    for (int64_t y = 0; y < lines; y += kLanes) {
      const int n = static_cast<int>(std::min<int64_t>(kLanes, lines - y));
      for (int64_t o = 0; o < columns; o += kLanes) {
        const float* from = f.sums + other * other_step + y * line_step + o;
        Reg square[kLanes];
        for (int i = 0; i < kLanes; ++i) square[i] = i < n ? load(from + i * line_step) : zero();
        transpose(square);
        const int64_t count = std::min<int64_t>(kLanes, columns - o);
        for (int i = 0; i < count; ++i) store(to + (o + i) * g.strides[0] + y, square[i], n);
      }
    }
  }
}

void finish_gradient(const FinishGradient& f) {
  switch (f.gradient->result_dtype) {
    case DType::Float: return finish_gradient_as<float>(f);
    case DType::BFloat16: return finish_gradient_as<bfloat16>(f);
    default: return finish_gradient_as<half>(f);
  }
}

template <class Step, class From>
constexpr GradientKernels gradient_table(const char* name, Isa needs, DType dtype) {
  constexpr bool pairs = !std::is_same_v<Step, Products>;
  return {name, needs, dtype, pairs ? DType::BFloat16 : DType::Float, kGradientRows, kLanes,
          gradient_tile_of_rows<Step>, stage_entries<From, pairs>, finish_gradient};
}

} // namespace
} // namespace xpu_lite::cpu::conv::XPU_LITE_LEVEL
