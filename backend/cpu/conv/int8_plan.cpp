#include "backend/cpu/conv/int8_plan.h"

#include <algorithm>

namespace xpu_lite::cpu::conv {

Int8Taps int8_taps(int64_t channels, int64_t height, int64_t width, bool dense_columns) {
  Int8Taps t{};
  t.interleaved = int8_interleaves(channels, height, width);
  t.rows = !t.interleaved && width > 1 && dense_columns;
  t.count = t.interleaved ? 1 : t.rows ? height : height * width;
  t.tap_k = height * width / t.count * channels;
  t.padded_k = (t.tap_k + 3) / 4 * 4;
  return t;
}

Int8Plan::Int8Plan(const Int8Convolution& c) {
  const Window &v = c.vertical, &h = c.horizontal;
  // The packed form must not depend on the dilation. Rows of taps are dense if their
  // channels need no padding, and a row with dilation is then cut into its pixels.
  const bool fours = c.channels % 4 == 0;
  taps = int8_taps(c.channels, v.size, h.size, fours && h.dilation == 1);
  const bool one = v.size == 1 && h.size == 1;
  direct = one && v.stride == 1 && h.stride == 1 && v.pad == 0 && h.pad == 0 &&
      c.input_layout == Layout::ChannelsLast && c.input_type == gemm::Int8Input::U8 && fours;
  merged = one;
  pixel_bytes = c.channels;
  // Where pixels need not touch, an odd number of cache lines spreads them over all sets.
  if (!direct && !taps.rows && !taps.interleaved && c.channels >= 256) {
    pixel_bytes = ((c.channels + 63) / 64 | 1) * 64;
  }
  column_step = h.size == 1 ? h.stride : 1;
  pixel_step = h.size == 1 ? 1 : h.stride;
  row_step = v.size == 1 ? v.stride : 1;
  rows_between = v.size == 1 ? 1 : v.stride;
  row_reach = (v.size - 1) * v.dilation + 1;
  staged_width = (c.out_width - 1) * pixel_step + (h.size - 1) * h.dilation + 1;
  if (taps.interleaved) {
    pixel_bytes = v.size * c.channels;
    // Where windows are not dense, each has its own copy.
    pixel_step = h.dilation == 1 ? h.stride : h.size;
    staged_width = (c.out_width - 1) * pixel_step + h.size;
    rows_between = row_reach = 1;
    offsets = {0};
  } else {
    for (int64_t y = 0; y < v.size; ++y) {
      for (int64_t x = 0; x < (taps.rows ? 1 : h.size); ++x) {
        offsets.push_back(y * v.dilation * row_bytes() + x * h.dilation * pixel_bytes);
      }
    }
  }
  const int64_t cache = gemm::second_level_cache();
  const int64_t rows = cache / 2 / std::max<int64_t>(1, row_bytes());
  band_rows = std::max<int64_t>(1, (rows - row_reach) / rows_between + 1);
}

} // namespace xpu_lite::cpu::conv
