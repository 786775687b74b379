#pragma once

// Arguments of im2col and col2im: sliding windows over images as columns of a matrix.
// images [batch][channels][height][width] <-> columns
// [batch][channels * kernel_h * kernel_w][rows * cols]. Plain C++.

#include <cstdint>

namespace xpu_lite::xpu {

struct WindowArgs {
  const void* in;
  void* out;
  int64_t batch, channels, height, width;
  int64_t rows, cols; // positions of the window
  int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
};

} // namespace xpu_lite::xpu
