#pragma once

// What the gradient of a filter asks of an instruction set: three functions per dtype.

#include <cstdint>

#include "backend/cpu/conv/weight_gradient.h"
#include "backend/cpu/gemm/kernels.h"

namespace xpu_lite::cpu::conv {

// A step of k is one pixel, or two side by side for dot products of pairs: an entry of 32
// bits for each channel of a block in what is staged, one for each of 32 outputs in a panel.
constexpr int64_t kEntryBytes = 4, kPanelStep = gemm::kPanel * kEntryBytes;

// sums[rows][32] (+)= over runs of `steps` steps each, which start at a + a_at[i] and
// panel + panel_at[i], in bytes.
struct GradientTile {
  int64_t rows; // at most GradientKernels::rows
  const char* a;
  const char* panel;
  const int64_t *a_at, *panel_at;
  int64_t runs, steps;
  float* sums;
  bool accumulate;
};

// Entries of a row of the input for `channels` channels: entry i holds pixel first + i * step,
// or the pair first + 2 i * step and the one `step` after it. What is outside of 0..width is 0.
struct StageEntries {
  const void* row; // pixel 0 of the first channel
  const void* end; // of the memory that may be read
  DType dtype;
  bool channels_last;
  int64_t stride; // elements from pixel to pixel with channels last, else channel to channel
  int64_t channels, width, first, step, entries;
  char* out;     // entries * GradientKernels::block entries of 32 bits
  char* scratch; // line_bytes() for each of `block` channels
};
constexpr int64_t line_bytes(int64_t entries) { return (entries + 16) * 2 * kEntryBytes; }

// result(o, c, tap) = sums[tap][c][o], for all taps of some channels and up to 32 outputs.
struct FinishGradient {
  const WeightGradient* gradient;
  const float* sums; // taps x rows x 32
  int64_t rows;      // channels of the sums
  int64_t channel, output;
};

struct GradientKernels {
  const char* name;
  Isa needs;
  DType dtype;
  DType panel_dtype; // as the output's gradient is packed: Float, or BFloat16 in pairs
  int rows;          // the most channels that a tile may have
  int block;         // entries of one step in what is staged, at least `rows`
  void (*tile)(const GradientTile&);
  void (*stage)(const StageEntries&);
  void (*finish)(const FinishGradient&);

  int64_t group() const { return gemm::k_group(panel_dtype); } // pixels of a step
};

const GradientKernels* find_gradient_kernels(const std::string& name, DType dtype);
void run_gradient(const GradientKernels& kernels, const WeightGradient& g);
void reference_weight_gradient(const WeightGradient& g);

namespace avx2 {
extern const GradientKernels gradient_f32, gradient_bf16, gradient_f16;
}
namespace avx512 {
extern const GradientKernels gradient_f32, gradient_bf16, gradient_f16;
}
namespace avx512_bf16 {
extern const GradientKernels gradient_bf16;
}

} // namespace xpu_lite::cpu::conv
