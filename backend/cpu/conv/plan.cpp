#include "backend/cpu/conv/plan.h"

#include <algorithm>
#include <limits>

namespace xpu_lite::cpu::conv {
namespace {

constexpr int64_t up(int64_t x, int64_t to) { return (x + to - 1) / to; }

} // namespace

bool is_plain_product(const Convolution& c) {
  const Window &v = c.vertical, &h = c.horizontal;
  return v.size == 1 && h.size == 1 && v.stride == 1 && h.stride == 1 && v.pad == 0 &&
      h.pad == 0 && c.out_height == c.height && c.out_width == c.width &&
      c.input_layout == Layout::ChannelsLast && c.output_layout == Layout::ChannelsLast;
}

Plan::Plan(const Convolution& c, const gemm::Kernels& kernels) {
  const Window &v = c.vertical, &h = c.horizontal;
  element_bytes = dtype_size(kernels.a_dtype);
  channels = padded_channels(c.dtype, c.channels);
  interleaved = interleaves_rows(c.dtype, c.channels, v.size, h.size);
  const bool rows_of_taps = h.size > 1 && h.dilation == 1; // dense from pixel to pixel
  tap_k = rows_of_taps ? h.size * channels : channels;
  for (int64_t y = 0; y < v.size; ++y) {
    for (int64_t x = 0; x < (rows_of_taps ? 1 : h.size); ++x) {
      taps.push_back({v.size == 1 ? 0 : y * v.dilation, h.size == 1 ? 0 : x * h.dilation});
    }
  }
  // Where pixels need not touch, an odd number of cache lines spreads them over all sets.
  pitch = channels;
  if (!rows_of_taps && channels * element_bytes >= 256) {
    pitch = (up(channels * element_bytes, 64) | 1) * 64 / element_bytes;
  }
  column_step = h.size == 1 ? h.stride : 1;
  pixel_step = h.size == 1 ? 1 : h.stride;
  staged_width = (c.out_width - 1) * pixel_step + (h.size - 1) * h.dilation + 1;
  row_step = v.size == 1 ? v.stride : 1;
  rows_between_ = v.size == 1 ? 1 : v.stride;
  row_reach_ = (v.size - 1) * v.dilation + 1;
  merged = v.size == 1 && h.size == 1;

  if (interleaved) {
    taps.assign(1, {0, 0});
    pitch = v.size * channels;
    tap_k = h.size * pitch;
    // Where windows are not dense, each has its own copy.
    pixel_step = h.dilation == 1 ? h.stride : h.size;
    staged_width = (c.out_width - 1) * pixel_step + h.size;
    rows_between_ = row_reach_ = 1;
  }
  const int64_t cache = gemm::second_level_cache();
  const int64_t tap_bytes = tap_k * gemm::kPanel * dtype_size(c.dtype);
  group = std::clamp<int64_t>(cache / 4 / std::max<int64_t>(1, tap_bytes), 1,
                              static_cast<int64_t>(taps.size()));
  // Half of the cache for what is staged.
  const int64_t rows = cache / 2 / std::max<int64_t>(1, staged_row_bytes());
  band_rows = std::max<int64_t>(1, (rows - row_reach_) / rows_between_ + 1);
  // Sums wait in memory where not all taps are taken at once.
  if (group < static_cast<int64_t>(taps.size())) {
    const int64_t sums = c.out_width * gemm::kPanel * static_cast<int64_t>(sizeof(float));
    band_rows = std::clamp<int64_t>(cache / 8 / std::max<int64_t>(1, sums), 1, band_rows);
  }
}

int64_t Plan::staged_rows(int64_t out_rows) const {
  return (out_rows - 1) * rows_between_ + row_reach_;
}

gemm::Grid thread_grid(const Convolution& c, int threads) {
  const int64_t rows = c.batch * c.out_height, panels = gemm::panels_of(c.out_channels);
  const int64_t k = c.channels * c.vertical.size * c.horizontal.size;
  // As for the GEMM, less than about 4 us of work is not worth a thread.
  const double nanoseconds = double(rows) * double(c.out_width) * double(c.out_channels) *
      double(k) / 45;
  const int most = static_cast<int>(std::clamp<double>(nanoseconds / 4000, 1, threads));
  gemm::Grid best;
  double best_cost = std::numeric_limits<double>::infinity(), best_reads = best_cost;
  for (int columns = static_cast<int>(std::min<int64_t>(most, panels)); columns >= 1; --columns) {
    const int parts = static_cast<int>(std::min<int64_t>(most / columns, rows));
    const double cost = double(up(rows, parts) * up(panels, columns));
    const double reads = 0.5 * columns * double(c.batch * c.height * c.width * c.channels) +
        parts * double(k) * double(c.out_channels);
    if (cost < 0.98 * best_cost || (cost < 1.02 * best_cost && reads < best_reads)) {
      best = {parts, columns}, best_cost = cost, best_reads = reads;
    }
  }
  return best;
}

} // namespace xpu_lite::cpu::conv
