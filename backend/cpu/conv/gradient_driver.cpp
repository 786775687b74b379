// One gradient of a filter on all threads, chunk by chunk of the pixels: the input is staged
// and the output's gradient packed, then come the tiles of channels by outputs, with all taps.

#include <cstring>

#include "backend/cpu/conv/gradient_plan.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/scratch.h"

namespace xpu_lite::cpu::conv {
namespace {

using gemm::kPanel;
using gemm::part;
using gemm::Range;

// Part `index` of `parts` of memory that will be read: pixels are copied a few channels at a
// time, in steps that the processor does not foresee.
// Inlined: the compiler drops calls of functions that only prefetch.
[[gnu::always_inline]] inline void fetch_part(const char* from, int64_t bytes, int64_t parts,
                                              int64_t index) {
  const Range lines = part(bytes / 64, parts, index);
  for (int64_t i = lines.begin; i < lines.end; ++i) __builtin_prefetch(from + i * 64, 0, 2);
}

// Some rows of outputs, counted through all images, and what is staged for them.
class GradientChunk {
 public:
  GradientChunk(const GradientKernels& kernels, const WeightGradient& g, const GradientPlan& plan,
                Range rows, Scratch& for_a, Scratch& for_panels)
      : kernels_(kernels), g_(g), plan_(plan), segments_(gradient_segments(plan, g, rows)),
        rows_(rows.size()) {
    const GradientSegment& last = segments_.back();
    staged_rows_ = last.first_staged + last.input_rows;
    a_ = for_a.get<char>(static_cast<size_t>(
        plan.channel_tiles * staged_rows_ * plan.entry_row_bytes) + 64);
    panels_ =
        for_panels.get<char>(static_cast<size_t>(plan.panels * rows_ * plan.panel_row_bytes) + 64);
    for (int64_t y = 0; y < g.vertical.size; ++y) {
      runs_.push_back(gradient_runs(plan, g, segments_, y * g.vertical.dilation));
    }
  }

  // Part `index` of `parts`: some rows of the input, and some of the gradient.
  void prepare(int64_t parts, int64_t index) {
    const Range staged = part(staged_rows_, parts, index), packed = part(rows_, parts, index);
    for (const GradientSegment& s : segments_) {
      const int64_t begin = std::max(staged.begin, s.first_staged);
      const int64_t end = std::min(staged.end, s.first_staged + s.input_rows);
      for (int64_t row = begin; row < end; ++row) stage_row(s, row);
      const int64_t from = std::max(packed.begin, s.first_row);
      const int64_t to = std::min(packed.end, s.first_row + s.rows.size());
      if (from < to) pack_rows(s, {from, to});
    }
  }

  // A tile, `unit` of panels by tiles of channels, for all taps.
  void add_to(int64_t unit, float* sums, bool accumulate) const {
    const int64_t panel = unit / plan_.channel_tiles, tile = unit % plan_.channel_tiles;
    const Range channels = part(g_.channels, plan_.channel_tiles, tile);
    const char* a = a_ + tile * staged_rows_ * plan_.entry_row_bytes;
    const char* packed = panels_ + panel * rows_ * plan_.panel_row_bytes;
    const int64_t taps = static_cast<int64_t>(plan_.taps.size());
    for (int64_t t = 0; t < taps; ++t) {
      const GradientRuns& runs = runs_[static_cast<size_t>(t / g_.horizontal.size)];
      const GradientPlan::Tap& tap = plan_.taps[static_cast<size_t>(t)];
      kernels_.tile({channels.size(), a + tap.entry * kernels_.block * kEntryBytes, packed,
                     runs.a.data(), runs.panel.data(), static_cast<int64_t>(runs.a.size()),
                     runs.steps, sums + t * channels.size() * kPanel, accumulate});
    }
  }

 private:
  void stage_row(const GradientSegment& s, int64_t row) {
    const int64_t size = dtype_size(g_.dtype);
    const int64_t y = s.input_row + (row - s.first_staged) * plan_.row_stride;
    const bool last = g_.input_layout == Layout::ChannelsLast;
    const int64_t origin = last
        ? (s.image * g_.height + y) * g_.width * g_.channels
        : (s.image * g_.channels * g_.height + y) * g_.width;
    const char* input = static_cast<const char*>(g_.input);
    const char* end = input + g_.batch * g_.channels * g_.height * g_.width * size;
    thread_local Scratch lines;
    char* scratch =
        lines.get<char>(static_cast<size_t>(kernels_.block * line_bytes(plan_.length)));
    const int64_t row_bytes = g_.width * g_.channels * size;
    for (int64_t t = 0; t < plan_.channel_tiles; ++t) {
      if (last) {
        fetch_part(input + origin * size + plan_.row_stride * row_bytes, row_bytes,
                   plan_.channel_tiles, t);
      }
      const Range channels = part(g_.channels, plan_.channel_tiles, t);
      const int64_t at = origin + channels.begin * (last ? 1 : g_.height * g_.width);
      char* out = a_ + (t * staged_rows_ + row) * plan_.entry_row_bytes;
      for (const int64_t phase : plan_.phases) {
        kernels_.stage({input + at * size, end, g_.dtype, last,
                        last ? g_.channels : g_.height * g_.width, channels.size(), g_.width,
                        phase - g_.horizontal.pad, g_.horizontal.stride, plan_.length, out,
                        scratch});
        out += plan_.length * kernels_.block * kEntryBytes;
      }
    }
  }

  // Rows of one image, counted in the chunk: one by one where an odd row of pixels that go in
  // pairs ends with half a pair, or where the next is fetched meanwhile.
  void pack_rows(const GradientSegment& s, Range rows) {
    const bool last = g_.grad_layout == Layout::ChannelsLast;
    const int64_t pixels = g_.out_height * g_.out_width, size = dtype_size(g_.dtype);
    const int64_t together = !last && g_.out_width % kernels_.group() == 0 ? rows.size() : 1;
    const int64_t row_bytes = g_.out_width * g_.out_channels * size;
    const auto pack_panel = isa() >= Isa::Avx512 ? gemm::avx512::pack_panel
                                                 : gemm::avx2::pack_panel;
    for (int64_t row = rows.begin; row < rows.end; row += together) {
      const int64_t y = s.rows.begin + row - s.first_row;
      const int64_t at = last ? (s.image * pixels + y * g_.out_width) * g_.out_channels
                              : s.image * g_.out_channels * pixels + y * g_.out_width;
      const gemm::Weight weight{kernels_.panel_dtype, g_.out_channels, together * g_.out_width,
                                static_cast<const char*>(g_.grad_output) + at * size, g_.dtype,
                                last ? 1 : pixels, last ? g_.out_channels : 1};
      for (int64_t panel = 0; panel < plan_.panels; ++panel) {
        if (last) {
          fetch_part(static_cast<const char*>(weight.data) + row_bytes, row_bytes, plan_.panels,
                     panel);
        }
        char* to = panels_ + (panel * rows_ + row) * plan_.panel_row_bytes;
        if ((panel + 1) * kPanel > g_.out_channels) {
          std::memset(to, 0, static_cast<size_t>(together * plan_.panel_row_bytes));
        }
        pack_panel(weight, panel, to);
      }
    }
  }

  const GradientKernels& kernels_;
  const WeightGradient& g_;
  const GradientPlan& plan_;
  const std::vector<GradientSegment> segments_;
  const int64_t rows_;
  std::vector<GradientRuns> runs_;
  int64_t staged_rows_ = 0;
  char *a_ = nullptr, *panels_ = nullptr;
};

class GradientRun {
 public:
  GradientRun(const GradientKernels& kernels, const WeightGradient& g, int threads)
      : kernels_(kernels), g_(g), plan_(g, kernels, threads), threads_(threads),
        rows_(g.batch * g.out_height), units_(plan_.panels * plan_.channel_tiles) {}

  void split_pixels() {
    const int64_t each = units_ * plan_.tile_sums;
    thread_local Scratch of_all;
    float* all = of_all.get<float>(static_cast<size_t>(threads_ * each) * sizeof(float));
    parallel_for(0, threads_, 1, [&](int64_t first, int64_t last) {
      thread_local Scratch for_a, for_panels;
      for (int64_t i = first; i < last; ++i) {
        float* sums = all + i * each;
        const Range mine = part(rows_, threads_, i);
        const int64_t chunks = (mine.size() + plan_.chunk_rows - 1) / plan_.chunk_rows;
        for (int64_t c = 0; c < chunks; ++c) {
          const Range rows = part(mine.size(), chunks, c);
          GradientChunk chunk(kernels_, g_, plan_, {mine.begin + rows.begin,
                              mine.begin + rows.end}, for_a, for_panels);
          chunk.prepare(1, 0);
          for (int64_t unit = 0; unit < units_; ++unit) {
            chunk.add_to(unit, sums + unit * plan_.tile_sums, c > 0);
          }
        }
      }
    });
    parallel_for(0, units_, 4, [&](int64_t first, int64_t last) {
      for (int64_t unit = first; unit < last; ++unit) {
        float* sums = all + unit * plan_.tile_sums;
        for (int i = 1; i < threads_; ++i) {
          const float* more = sums + i * each;
          for (int64_t j = 0; j < plan_.tile_sums; ++j) sums[j] += more[j];
        }
        finish(unit, sums);
      }
    });
  }

  void split_tiles() {
    const int64_t chunks = (rows_ + plan_.chunk_rows - 1) / plan_.chunk_rows;
    thread_local Scratch for_a, for_panels, of_all;
    float* kept = chunks == 1 ? nullptr
        : of_all.get<float>(static_cast<size_t>(units_ * plan_.tile_sums) * sizeof(float));
    for (int64_t c = 0; c < chunks; ++c) {
      GradientChunk chunk(kernels_, g_, plan_, part(rows_, chunks, c), for_a, for_panels);
      parallel_for(0, threads_, 1, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) chunk.prepare(threads_, i);
      });
      parallel_for(0, units_, 1, [&](int64_t first, int64_t last) {
        thread_local Scratch own;
        for (int64_t unit = first; unit < last; ++unit) {
          float* sums = kept ? kept + unit * plan_.tile_sums
              : own.get<float>(static_cast<size_t>(plan_.tile_sums) * sizeof(float));
          chunk.add_to(unit, sums, c > 0);
          if (c + 1 == chunks) finish(unit, sums);
        }
      });
    }
  }

  void run() {
    if (rows_ <= 0 || g_.out_width <= 0) return zero();
    plan_.splits_pixels ? split_pixels() : split_tiles();
  }

 private:
  void zero() {
    const std::vector<float> sums(static_cast<size_t>(plan_.tile_sums));
    for (int64_t unit = 0; unit < units_; ++unit) finish(unit, sums.data());
  }

  void finish(int64_t unit, const float* sums) {
    const int64_t panel = unit / plan_.channel_tiles, tile = unit % plan_.channel_tiles;
    const Range channels = part(g_.channels, plan_.channel_tiles, tile);
    kernels_.finish({&g_, sums, channels.size(), channels.begin, panel * kPanel});
  }

  const GradientKernels& kernels_;
  const WeightGradient g_;
  const GradientPlan plan_;
  const int threads_;
  const int64_t rows_, units_;
};

} // namespace

void run_gradient(const GradientKernels& kernels, const WeightGradient& g) {
  const int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
  GradientRun(kernels, with_long_rows(g, kernels.group()), threads).run();
}

} // namespace xpu_lite::cpu::conv
