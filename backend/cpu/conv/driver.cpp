// One convolution on all threads: each takes some rows of outputs and some panels of
// the filter, stages a band of the input at a time, and walks panel by panel over it.

#include <xmmintrin.h>

#include <cstring>

#include "backend/cpu/conv/plan.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/scratch.h"

namespace xpu_lite::cpu::conv {
namespace {

using gemm::kPanel;
using gemm::Kernels;
using gemm::part;
using gemm::Range;

constexpr int64_t kMergedLine = 112; // pixels, where rows do not matter

// Rows of one image whose input is staged.
struct Segment {
  int64_t image;
  Range rows;
  int64_t staged;       // bytes from the start of the band's
  int64_t first_input;  // the input row that was staged first
};

template <class T>
void turn(const T* from, int64_t pixels, int64_t columns, T* to, int64_t ld) {
  for (int64_t j = 0; j < columns; ++j) {
    for (int64_t x = 0; x < pixels; ++x) to[j * ld + x] = from[x * kPanel + j];
  }
}

class BandShare {
 public:
  BandShare(const Kernels& kernels, const Convolution& c, const Plan& plan, Range rows,
            Range panels)
      : kernels_(kernels), c_(c), plan_(plan), rows_(rows), panels_(panels),
        k_(plan.tap_k * static_cast<int64_t>(plan.taps.size())),
        panel_bytes_(gemm::panel_k(c.dtype, k_) * kPanel * dtype_size(c.dtype)),
        all_{c.dtype, c.batch * c.out_height * c.out_width, c.out_channels, k_, nullptr, 0,
             c.packed, c.output, c.out_channels, c.output_dtype, c.epilogue} {}

  void run() {
    const int64_t bands = (rows_.size() + plan_.band_rows - 1) / plan_.band_rows;
    for (int64_t b = 0; b < bands; ++b) {
      const Range band = part(rows_.size(), bands, b);
      stage_band({rows_.begin + band.begin, rows_.begin + band.end});
      for (int64_t panel = panels_.begin; panel < panels_.end; ++panel) one_panel(panel);
    }
    if (streams_) _mm_sfence();
  }

 private:
  void stage_band(Range flat) {
    segments_.clear();
    const Window& v = c_.vertical;
    int64_t bytes = 0;
    for (int64_t at = flat.begin; at < flat.end;) {
      const int64_t image = at / c_.out_height, row = at % c_.out_height;
      const int64_t count = std::min(c_.out_height - row, flat.end - at);
      segments_.push_back({image, {row, row + count}, bytes, row * v.stride - v.pad});
      bytes += plan_.staged_rows(count) * plan_.staged_row_bytes();
      at += count;
    }
    band_pixels_ = flat.size() * c_.out_width;
    thread_local Scratch buffer;
    staged_ = buffer.get<char>(static_cast<size_t>(bytes) + 64);
    for (const Segment& s : segments_) {
      if (plan_.interleaved) {
        stage_interleaved(plan_, kernels_, c_, s.image, s.rows.begin, s.rows.size(),
                          staged_ + s.staged);
        continue;
      }
      stage(plan_, kernels_, c_, s.image, s.first_input, plan_.staged_rows(s.rows.size()),
            staged_ + s.staged);
    }
  }

  void one_panel(int64_t panel) {
    const int64_t taps = static_cast<int64_t>(plan_.taps.size());
    const bool whole = plan_.group >= taps;
    thread_local Scratch buffer;
    sums_ = buffer.get<float>(static_cast<size_t>(
        (whole ? kernels_.rows : band_pixels_) * kPanel * static_cast<int64_t>(sizeof(float))));
    const int64_t groups = (taps + plan_.group - 1) / plan_.group;
    for (int64_t g = 0; g < groups; ++g) {
      tile_of_group_ = 0;
      const Range group = part(taps, groups, g);
      int64_t pixel = 0;
      for (const Segment& s : segments_) {
        if (plan_.merged) {
          const int64_t pixels = s.rows.size() * c_.out_width;
          const int64_t lines = (pixels + kMergedLine - 1) / kMergedLine;
          for (int64_t l = 0; l < lines; ++l) {
            const Range line = part(pixels, lines, l);
            one_line(panel, group, s, s.rows.begin, line, whole ? -1 : pixel + line.begin);
          }
          pixel += pixels;
        } else {
          for (int64_t row = s.rows.begin; row < s.rows.end; ++row) {
            one_line(panel, group, s, row, {0, c_.out_width}, whole ? -1 : pixel);
            pixel += c_.out_width;
          }
        }
      }
    }
  }

  // Whether a tap reads an input row, or only padding.
  bool reads(const Plan::Tap& tap, int64_t row) const {
    if (c_.vertical.size == 1 || plan_.interleaved) return true; // staged as zeros
    const int64_t y = row * c_.vertical.stride - c_.vertical.pad + tap.row;
    return y >= 0 && y < c_.height;
  }
  int64_t staged_row(const Plan::Tap& tap, const Segment& s, int64_t row) const {
    if (c_.vertical.size == 1 || plan_.interleaved) return row - s.rows.begin;
    return row * c_.vertical.stride - c_.vertical.pad + tap.row - s.first_input;
  }

  // Outputs `line` of a row, or from a row on where rows are merged.
  void one_line(int64_t panel, Range group, const Segment& s, int64_t row, Range line,
                int64_t sums_at) {
    const int64_t taps = static_cast<int64_t>(plan_.taps.size());
    const int64_t size = plan_.element_bytes, lda = plan_.pixel_step * plan_.pitch;
    const int64_t tap_bytes = plan_.tap_k * kPanel * dtype_size(c_.dtype);
    const char* w = static_cast<const char*>(c_.packed) + panel * panel_bytes_;
    const bool last = group.end == taps;
    int64_t first_tap = 0;
    while (first_tap < taps && !reads(plan_.taps[first_tap], row)) ++first_tap;
    const int64_t tiles = (line.size() + kernels_.rows - 1) / kernels_.rows;
    for (int64_t t = 0; t < tiles; ++t, ++tile_of_group_) {
      const Range inner = part(line.size(), tiles, t);
      const Range tile{line.begin + inner.begin, line.begin + inner.end};
      float* sums = sums_at < 0 ? sums_ : sums_ + (sums_at + inner.begin) * kPanel;
      if (last && c_.output_layout == Layout::ChannelsLast) {
        gemm::bring_result(all_, (s.image * c_.out_height + row) * c_.out_width + tile.begin,
                           tile.size(), panel * kPanel, streams_);
      }
      for (int64_t tap = group.begin; tap < group.end; ++tap) {
        const Plan::Tap& at = plan_.taps[static_cast<size_t>(tap)];
        if (!reads(at, row)) continue;
        const char* a = staged_ + s.staged + staged_row(at, s, row) * plan_.staged_row_bytes() +
            at.column * plan_.pitch * size + tile.begin * lda * size;
        const char* here = w + tap * tap_bytes;
        // Four tiles bring what the next group or panel will read.
        const char* next = tile_of_group_ < 4
            ? here + group.size() * tap_bytes + tile_of_group_ * tap_bytes / 4 : nullptr;
        kernels_.tile({tile.size(), a, lda, here, plan_.tap_k, sums, tap > first_tap, next});
      }
      if (last && first_tap == taps) { // nothing but padding
        kernels_.tile({tile.size(), staged_, lda, w, 0, sums, false, nullptr});
      }
      if (last) finish(panel, sums, s, row, tile, line);
    }
  }

  void finish(int64_t panel, const float* sums, const Segment& s, int64_t row, Range tile,
              Range line) {
    const int64_t column = panel * kPanel;
    const int64_t columns = std::min<int64_t>(kPanel, c_.out_channels - column);
    const int64_t image_pixels = c_.out_height * c_.out_width;
    const int64_t pixel = row * c_.out_width; // of the line's origin, in the image
    if (c_.output_layout == Layout::ChannelsLast) {
      kernels_.finish({&all_, sums, tile.size(), columns,
                       s.image * image_pixels + pixel + tile.begin, column, streams_});
      return;
    }
    // Into a block of pixels first, which is turned around when the line is complete.
    const int64_t size = dtype_size(c_.output_dtype);
    thread_local Scratch buffer;
    char* block = buffer.get<char>(static_cast<size_t>(line.size() * kPanel * size));
    gemm::Gemm part_of = all_;
    part_of.c = block;
    part_of.ldc = kPanel;
    if (part_of.epilogue.bias.data) {
      part_of.epilogue.bias.data = static_cast<const char*>(part_of.epilogue.bias.data) +
          column * dtype_size(part_of.epilogue.bias.dtype);
    }
    kernels_.finish({&part_of, sums, tile.size(), columns, tile.begin - line.begin, 0});
    if (tile.end != line.end) return;
    char* to = static_cast<char*>(c_.output) +
        ((s.image * c_.out_channels + column) * image_pixels + pixel + line.begin) * size;
    if (size == 4) {
      turn(reinterpret_cast<float*>(block), line.size(), columns, reinterpret_cast<float*>(to),
           image_pixels);
    } else {
      turn(reinterpret_cast<uint16_t*>(block), line.size(), columns,
           reinterpret_cast<uint16_t*>(to), image_pixels);
    }
  }

  const Kernels& kernels_;
  const Convolution& c_;
  const Plan& plan_;
  const Range rows_, panels_;
  const int64_t k_, panel_bytes_;
  const gemm::Gemm all_;
  const bool streams_ = c_.output_layout == Layout::ChannelsLast && gemm::streams_result(all_);
  std::vector<Segment> segments_;
  int64_t band_pixels_ = 0, tile_of_group_ = 0;
  char* staged_ = nullptr;
  float* sums_ = nullptr;
};

} // namespace

void run_rows(const Kernels& kernels, const Convolution& c) {
  const Plan plan(c, kernels);
  const gemm::Grid grid = thread_grid(c, omp_in_parallel() ? 1 : omp_get_max_threads());
  parallel_for(0, int64_t{grid.rows} * grid.columns, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const Range rows = part(c.batch * c.out_height, grid.rows, i / grid.columns);
      const Range panels = part(gemm::panels_of(c.out_channels), grid.columns, i % grid.columns);
      BandShare(kernels, c, plan, rows, panels).run();
    }
  });
}

} // namespace xpu_lite::cpu::conv
