#pragma once

// Images made larger or smaller by taking the nearest pixel. torch's kernel on the CPU looks up
// each pixel on its own; here a row is looked up once and repeated as a whole.

#include <cstdint>

namespace xpu_lite::cpu {

struct NearestUpsample {
  int64_t planes;         // images, or images times channels where channels come first
  int64_t height, width;  // of the input
  int64_t out_height, out_width;
  float row_scale, column_scale; // input pixels for one of the output
  int64_t pixel_bytes;           // 2, 4, or all channels of a pixel
  const void* input;             // dense
  void* output;                  // dense
};
void upsample_nearest(const NearestUpsample& u);

} // namespace xpu_lite::cpu
