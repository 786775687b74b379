// The packed form of an int8 filter: that of an int8 product's weight, whose k runs over
// the filter's rows, columns and channels, or columns, rows, channels where these are few.

#include <vector>

#include "backend/cpu/conv/int8_plan.h"

namespace xpu_lite::cpu::conv {
namespace {

// Dense along whole rows of taps only where pixels need no padding; then a row's pixels
// begin at multiples of four, too, so that both ways of cutting it fit.
Int8Taps taps_of(const Int8Filter& f) {
  return int8_taps(f.channels, f.height, f.width, f.channels % 4 == 0);
}

} // namespace

size_t int8_packed_bytes(const Int8Filter& f) {
  const Int8Taps t = taps_of(f);
  return gemm::int8_packed_bytes(f.out_channels, t.count * t.padded_k);
}

void int8_pack(const Int8Filter& f, void* out) {
  const Int8Taps t = taps_of(f);
  const int64_t k = t.count * t.padded_k;
  if (f.height * f.width == 1) {
    // Rows of k end within the filter's last element only without padding.
    if (t.padded_k == t.tap_k) {
      gemm::int8_pack({f.out_channels, k, f.data, f.strides[0], f.strides[1]}, out);
      return;
    }
  }
  std::vector<int8_t> dense(static_cast<size_t>(f.out_channels * k), 0);
  for (int64_t o = 0; o < f.out_channels; ++o) {
    int8_t* to = dense.data() + o * k;
    for (int64_t y = 0; y < f.height; ++y) {
      for (int64_t x = 0; x < f.width; ++x) {
        const int64_t i = t.interleaved ? (x * f.height + y) * f.channels
            : t.rows                    ? y * t.padded_k + x * f.channels
                                        : (y * f.width + x) * t.padded_k;
        const int8_t* from =
            f.data + o * f.strides[0] + y * f.strides[2] + x * f.strides[3];
        for (int64_t c = 0; c < f.channels; ++c) to[i + c] = from[c * f.strides[1]];
      }
    }
  }
  gemm::int8_pack({f.out_channels, k, dense.data(), k, 1}, out);
}

} // namespace xpu_lite::cpu::conv
