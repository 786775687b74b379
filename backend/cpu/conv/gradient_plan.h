#pragma once

// How the pixels of a filter's gradient are laid out and taken in chunks. Arithmetic on
// shapes only.

#include <cstdint>
#include <vector>

#include "backend/cpu/conv/gradient_kernels.h"
#include "backend/cpu/gemm/partition.h"

namespace xpu_lite::cpu::conv {

// The same gradient with lines that suit: a 1x1 filter does not care where rows end.
WeightGradient with_long_rows(WeightGradient g, int64_t group);

struct GradientPlan {
  GradientPlan(const WeightGradient& g, const GradientKernels& kernels, int threads);

  // A row of staged input is one stretch of `length` entries for each phase: entry i of a
  // phase begins at pixel phase + i * group * stride - pad.
  std::vector<int64_t> phases;
  int64_t length;
  struct Tap {
    int64_t row, entry; // in rows of the input, and entries from the start of a staged row
  };
  std::vector<Tap> taps;

  int64_t steps;      // of a row of outputs
  int64_t row_stride; // of the input, from one staged row to the next
  // Each thread takes some of the pixels, with sums of its own that are added in the end:
  // nothing moves from one core's cache to another's but these. Otherwise all take the same
  // pixels, and each some of the tiles.
  bool splits_pixels;
  int64_t chunk_rows; // rows of outputs that are staged at a time, at most
  int64_t entry_row_bytes, panel_row_bytes; // of one row: of a block of channels, of a panel
  int64_t channel_tiles, panels;
  int64_t tile_sums; // floats of a tile of channels by a panel, for all taps
};

// Rows of outputs of one image, and the rows of the input that they read.
struct GradientSegment {
  int64_t image;
  gemm::Range rows;
  int64_t first_row;              // of outputs, in the chunk
  int64_t input_row, input_rows;  // the first that is staged; how many
  int64_t first_staged;           // in the chunk
};
std::vector<GradientSegment> gradient_segments(const GradientPlan& plan, const WeightGradient& g,
                                               gemm::Range rows);

// Where the runs of one row of taps begin, in bytes.
struct GradientRuns {
  std::vector<int64_t> a, panel;
  int64_t steps = 0;
};
GradientRuns gradient_runs(const GradientPlan& plan, const WeightGradient& g,
                           const std::vector<GradientSegment>& segments, int64_t tap_row);

} // namespace xpu_lite::cpu::conv
