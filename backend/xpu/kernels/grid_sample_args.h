#pragma once

// Arguments of grid_sample and its gradients, in two or three dimensions as three
// (a leading one of size 1). Plain C++.

#include <cstdint>

namespace xpu_lite::xpu {

// Numbers as in torch.
enum class GridMode : int32_t { Linear = 0, Nearest = 1, Cubic = 2 };
enum class GridPadding : int32_t { Zeros = 0, Border = 1, Reflection = 2 };

// input, grad_input [batch][channels][in...]; grid, grad_grid [batch][out...][dims];
// out, grad_out [batch][channels][out...]; all dense.
struct GridSampleArgs {
  const void* input;
  const void* grid;
  void* out;
  const void* grad_out;
  void* grad_input; // zeroed; float where the elements are halves
  void* grad_grid;
  int64_t batch, channels;
  int64_t in[3], size[3]; // size: of the output
  int32_t dims;
  GridMode mode;
  GridPadding padding;
  uint8_t align_corners;
  uint8_t by_plane; // gradient of the input: a work-item for each channel, no atomics
};

} // namespace xpu_lite::xpu
