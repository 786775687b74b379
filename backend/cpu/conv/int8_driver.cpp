// One int8 convolution on all threads: each takes some rows of outputs and some panels of
// the filter, stages a band of the input at a time, and walks panel by panel over it.

#include <algorithm>

#include "backend/cpu/conv/int8_plan.h"
#include "backend/cpu/conv/plan.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/scratch.h"

namespace xpu_lite::cpu::conv {
namespace {

using gemm::Int8Input;
using gemm::Int8Kernels;
using gemm::kInt8Panel;
using gemm::part;
using gemm::Range;

constexpr int64_t kMergedPixels = 4096; // of a line, where rows do not matter

// What the finish needs of each output channel, for whole panels.
struct Int8Terms {
  int32_t* correction;
  float *scale, *bias;
};

float bias_at(const gemm::Vector& bias, int64_t i) {
  if (!bias.data) return 0;
  if (bias.dtype == DType::Float) return static_cast<const float*>(bias.data)[i];
  if (bias.dtype == DType::BFloat16) return static_cast<const bfloat16*>(bias.data)[i];
  return static_cast<const half*>(bias.data)[i];
}

class Int8BandShare {
 public:
  Int8BandShare(const Int8Kernels& kernels, Int8FinishFn finish, const Int8Convolution& c,
                const Int8Plan& plan, const Int8Terms& terms, bool is_signed, Range rows,
                Range panels)
      : kernels_(kernels), finish_(finish), c_(c), plan_(plan), terms_(terms),
        is_signed_(is_signed), rows_(rows), panels_(panels),
        panel_bytes_(gemm::int8_panel_bytes(plan.taps.count * plan.taps.padded_k)) {}

  void run() {
    const int64_t bands = (rows_.size() + plan_.band_rows - 1) / plan_.band_rows;
    for (int64_t b = 0; b < bands; ++b) {
      const Range inner = part(rows_.size(), bands, b);
      const Range band{rows_.begin + inner.begin, rows_.begin + inner.end};
      if (plan_.direct) {
        staged_ = static_cast<const char*>(c_.input) + band.begin * plan_.row_bytes();
      } else {
        stage(band);
      }
      for (int64_t panel = panels_.begin; panel < panels_.end; ++panel) one_panel(panel, band);
    }
  }

 private:
  // Each image's rows of the band, one after the other.
  void stage(Range band) {
    segments_.clear();
    int64_t bytes = 0;
    for (int64_t at = band.begin; at < band.end;) {
      const int64_t row = at % c_.out_height;
      const int64_t count = std::min(c_.out_height - row, band.end - at);
      segments_.push_back({at, count, bytes});
      bytes += plan_.staged_rows(count) * plan_.row_bytes();
      at += count;
    }
    thread_local Scratch buffer;
    char* staged = buffer.get<char>(static_cast<size_t>(bytes) + 64);
    staged_ = staged;
    const Window& v = c_.vertical;
    for (const Segment& s : segments_) {
      const int64_t image = s.first / c_.out_height, row = s.first % c_.out_height;
      if (plan_.taps.interleaved) {
        int8_stage_interleaved(plan_, kernels_, c_, is_signed_, image, row, s.rows,
                               staged + s.staged);
      } else {
        int8_stage(plan_, kernels_, c_, is_signed_, image, row * v.stride - v.pad,
                   plan_.staged_rows(s.rows), staged + s.staged);
      }
    }
  }

  void one_panel(int64_t panel, Range band) {
    if (plan_.merged) {
      const int64_t pixels = band.size() * c_.out_width, first = band.begin * c_.out_width;
      const int64_t lines = (pixels + kMergedPixels - 1) / kMergedPixels;
      for (int64_t l = 0; l < lines; ++l) {
        const Range line = part(pixels, lines, l);
        one_line(panel, staged_ + line.begin * plan_.pixel_bytes, plan_.pixel_bytes,
                 line.size(), first + line.begin);
      }
      return;
    }
    for (const Segment& s : segments_) {
      for (int64_t r = 0; r < s.rows; ++r) {
        one_line(panel, staged_ + s.staged + r * plan_.rows_between * plan_.row_bytes(),
                 plan_.pixel_step * plan_.pixel_bytes, c_.out_width,
                 (s.first + r) * c_.out_width);
      }
    }
  }

  void one_line(int64_t panel, const char* a, int64_t lda, int64_t pixels, int64_t pixel) {
    const int64_t column = panel * kInt8Panel;
    const int64_t columns = std::min<int64_t>(kInt8Panel, c_.out_channels - column);
    const int8_t* w = static_cast<const int8_t*>(c_.packed) + panel * panel_bytes_;
    const int64_t tiles = (pixels + kernels_.rows - 1) / kernels_.rows;
    alignas(64) int32_t sums[gemm::kInt8MostRows * kInt8Panel];
    for (int64_t t = 0; t < tiles; ++t) {
      const Range tile = part(pixels, tiles, t);
      bring(pixel + tile.begin, tile.size(), column);
      kernels_.tile({a + tile.begin * lda, lda, w, plan_.taps.tap_k, sums,
                     static_cast<int>(tile.size()), is_signed_,
                     static_cast<int>(plan_.taps.count), plan_.offsets.data()});
      finish_({&c_, sums, tile.size(), columns, pixel + tile.begin, column,
               terms_.correction + column, terms_.scale + column, terms_.bias + column});
    }
  }

  // Asks for what the finish will touch: see gemm::bring_result().
  __attribute__((always_inline)) void bring(int64_t pixel, int64_t pixels, int64_t column) {
    const int64_t at = pixel * c_.out_channels + column;
    const auto lines = [&](const void* data, gemm::Int8Output type) __attribute__((always_inline)) {
      const int64_t size = type == gemm::Int8Output::Float ? 4 : type < gemm::Int8Output::U8 ? 2 : 1;
      const char* from = static_cast<const char*>(data) + at * size;
      for (int64_t i = 0; i < pixels; ++i, from += c_.out_channels * size) {
        __builtin_prefetch(from, 1, 3);
        if (size == 4) __builtin_prefetch(from + 64, 1, 3);
      }
    };
    lines(c_.output, c_.output_type);
    if (c_.add.data) lines(c_.add.data, c_.add.type);
  }

  struct Segment {
    int64_t first, rows; // flat rows of outputs
    int64_t staged;      // bytes from the start of the band's
  };
  const Int8Kernels& kernels_;
  const Int8FinishFn finish_;
  const Int8Convolution& c_;
  const Int8Plan& plan_;
  const Int8Terms terms_;
  const bool is_signed_;
  const Range rows_, panels_;
  const int64_t panel_bytes_;
  std::vector<Segment> segments_;
  const char* staged_ = nullptr;
};

Int8Terms make_terms(const Int8Convolution& c, const Int8Plan& plan, int32_t zero) {
  const int64_t k = plan.taps.count * plan.taps.padded_k;
  const int64_t panels = gemm::int8_panels(c.out_channels), n = panels * kInt8Panel;
  const auto* column_sums = reinterpret_cast<const int32_t*>(
      static_cast<const int8_t*>(c.packed) + panels * gemm::int8_panel_bytes(k));
  thread_local Scratch buffer;
  Int8Terms t{};
  t.correction = buffer.get<int32_t>(static_cast<size_t>(n) * 12);
  t.scale = reinterpret_cast<float*>(t.correction + n);
  t.bias = t.scale + n;
  for (int64_t i = 0; i < n; ++i) {
    const bool real = i < c.out_channels;
    t.correction[i] = real ? zero * column_sums[i] : 0;
    t.scale[i] = real ? c.input_scale * c.weight_scale[i] : 0;
    t.bias[i] = real ? bias_at(c.bias, i) : 0;
  }
  return t;
}

// The sizes alone, for the division of the work.
Convolution sizes_of(const Int8Convolution& c) {
  Convolution s{};
  s.dtype = s.output_dtype = DType::BFloat16;
  s.batch = c.batch, s.channels = c.channels, s.height = c.height, s.width = c.width;
  s.out_channels = c.out_channels, s.out_height = c.out_height, s.out_width = c.out_width;
  s.vertical = c.vertical, s.horizontal = c.horizontal;
  return s;
}

} // namespace

void int8_run_rows(const Int8Kernels& kernels, const Int8Convolution& c) {
  const Int8Plan plan(c);
  const bool s8 = c.input_type == Int8Input::S8, is_signed = s8 && kernels.takes_signed;
  const Int8Terms terms = make_terms(c, plan, c.input_zero + (s8 && !is_signed ? 128 : 0));
  const Int8FinishFn finish =
      kernels.needs >= Isa::Avx512 ? int8_finish_avx512 : int8_finish_avx2;
  const gemm::Grid grid =
      thread_grid(sizes_of(c), omp_in_parallel() ? 1 : omp_get_max_threads());
  parallel_for(0, int64_t{grid.rows} * grid.columns, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const Range rows = part(c.batch * c.out_height, grid.rows, i / grid.columns);
      const Range panels =
          part(gemm::int8_panels(c.out_channels), grid.columns, i % grid.columns);
      Int8BandShare(kernels, finish, c, plan, terms, is_signed, rows, panels).run();
    }
  });
}

} // namespace xpu_lite::cpu::conv
