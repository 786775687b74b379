#include "backend/cpu/conv/gradient_plan.h"

#include <algorithm>

namespace xpu_lite::cpu::conv {
namespace {

constexpr int64_t divided_up(int64_t x, int64_t by) { return (x + by - 1) / by; }

} // namespace

WeightGradient with_long_rows(WeightGradient g, int64_t group) {
  const Window &v = g.vertical, &h = g.horizontal;
  if (v.size != 1 || h.size != 1 || v.stride != 1 || h.stride != 1 || v.pad || h.pad ||
      g.out_height != g.height || g.out_width != g.width || g.width % group == 0) {
    return g;
  }
  // An odd row would waste half of its last pair.
  if (g.input_layout == Layout::ChannelsLast && g.grad_layout == Layout::ChannelsLast &&
      g.batch * g.height % group == 0) {
    g.height = g.out_height = g.batch * g.height / group;
    g.width = g.out_width = g.width * group;
    g.batch = 1;
  } else {
    g.width = g.out_width = g.width * g.height;
    g.height = g.out_height = 1;
  }
  return g;
}

GradientPlan::GradientPlan(const WeightGradient& g, const GradientKernels& kernels,
                           int threads) {
  const Window &v = g.vertical, &h = g.horizontal;
  const int64_t group = kernels.group(), around = group * h.stride;
  steps = divided_up(g.out_width, group);
  std::vector<int64_t> phase_of_column(static_cast<size_t>(h.size));
  int64_t longest = 0;
  for (int64_t x = 0; x < h.size; ++x) {
    const int64_t phase = x * h.dilation % around;
    const auto found = std::find(phases.begin(), phases.end(), phase);
    phase_of_column[static_cast<size_t>(x)] = found - phases.begin();
    if (found == phases.end()) phases.push_back(phase);
    longest = std::max(longest, x * h.dilation / around);
  }
  length = longest + steps;
  for (int64_t y = 0; y < v.size; ++y) {
    for (int64_t x = 0; x < h.size; ++x) {
      taps.push_back({y * v.dilation, phase_of_column[static_cast<size_t>(x)] * length +
                                          x * h.dilation / around});
    }
  }
  row_stride = v.size == 1 ? v.stride : 1;
  channel_tiles = divided_up(g.channels, kernels.rows);
  panels = gemm::panels_of(g.out_channels);
  entry_row_bytes = static_cast<int64_t>(phases.size()) * length * kernels.block * kEntryBytes;
  panel_row_bytes = steps * kPanelStep;
  tile_sums = static_cast<int64_t>(taps.size()) * kernels.rows * gemm::kPanel;
  const int64_t rows = g.batch * g.out_height;
  const int64_t sums_bytes =
      channel_tiles * panels * tile_sums * static_cast<int64_t>(sizeof(float));
  // Of what is staged for a row of outputs; rows of the input are shared by several of these.
  const int64_t staged_rows = g.vertical.size == 1 ? 1 : g.vertical.stride;
  const int64_t row_bytes =
      channel_tiles * entry_row_bytes * staged_rows + panels * panel_row_bytes;
  splits_pixels = rows >= threads && (threads == 1 || threads * sums_bytes <= rows * row_bytes);
  const int64_t cache = gemm::second_level_cache();
  // Half of the cache for all that is staged; or, where that would be too little between two
  // visits to the sums, three eighths for a panel, which leaves room for a block of channels.
  constexpr int64_t kLeastSteps = 96;
  chunk_rows = cache / 2 / row_bytes;
  if (!splits_pixels || chunk_rows * steps < kLeastSteps) {
    chunk_rows = cache * 3 / 8 / panel_row_bytes;
  }
  chunk_rows = std::max<int64_t>(chunk_rows, 1);
}

std::vector<GradientSegment> gradient_segments(const GradientPlan& plan, const WeightGradient& g,
                                               gemm::Range rows) {
  const Window& v = g.vertical;
  std::vector<GradientSegment> all;
  int64_t staged = 0;
  for (int64_t at = rows.begin; at < rows.end;) {
    const int64_t image = at / g.out_height, row = at % g.out_height;
    const int64_t count = std::min(g.out_height - row, rows.end - at);
    int64_t first = row * v.stride - v.pad;
    int64_t end = (row + count - 1) * v.stride - v.pad + (v.size - 1) * v.dilation + 1;
    if (v.size == 1) { // every stride-th row; those outside of the input are not read
      while (first < 0) first += v.stride;
    } else {
      first = std::max<int64_t>(first, 0);
    }
    end = std::min(end, g.height);
    const int64_t input_rows = std::max<int64_t>(0, divided_up(end - first, plan.row_stride));
    all.push_back({image, {row, row + count}, at - rows.begin, first, input_rows, staged});
    staged += input_rows;
    at += count;
  }
  return all;
}

GradientRuns gradient_runs(const GradientPlan& plan, const WeightGradient& g,
                           const std::vector<GradientSegment>& segments, int64_t tap_row) {
  const Window& v = g.vertical;
  GradientRuns runs;
  runs.steps = plan.steps;
  bool joined = true; // each run begins where the one before ends
  for (const GradientSegment& s : segments) {
    for (int64_t row = s.rows.begin; row < s.rows.end; ++row) {
      const int64_t y = row * v.stride - v.pad + tap_row;
      if (y < 0 || y >= g.height) continue;
      const int64_t staged = s.first_staged + (y - s.input_row) / plan.row_stride;
      runs.a.push_back(staged * plan.entry_row_bytes);
      runs.panel.push_back((s.first_row + row - s.rows.begin) * plan.panel_row_bytes);
      const size_t n = runs.a.size();
      joined = joined && plan.phases.size() == 1 && plan.length == plan.steps &&
          (n < 2 || (runs.a[n - 1] - runs.a[n - 2] == plan.entry_row_bytes &&
                     runs.panel[n - 1] - runs.panel[n - 2] == plan.panel_row_bytes));
    }
  }
  if (joined && runs.a.size() > 1) {
    runs.steps *= static_cast<int64_t>(runs.a.size());
    runs.a.resize(1), runs.panel.resize(1);
  }
  return runs;
}

} // namespace xpu_lite::cpu::conv
