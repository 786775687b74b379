#pragma once

// gradient of a filter = sum over images and pixels of the output's gradient times what the
// filter saw of the input, in two dimensions.
//
// For each tap this is a product channels x pixels times pixels x outputs. The output's
// gradient is packed as a GEMM's weight whose k runs over pixels (backend/cpu/gemm); the
// input is staged so that the channels of a micro-kernel's rows lie side by side, one step of
// k after the other, whatever the tap: a tap is an offset. So many pixels are taken at a time
// that a panel and a block of channels stay in the second-level cache; sums stay in registers
// for all of these.
//
// Products are summed in float whatever the dtype.

#include <cstdint>
#include <string>
#include <vector>

#include "backend/cpu/conv/convolution.h"

namespace xpu_lite::cpu::conv {

struct WeightGradient {
  DType dtype; // of the input and of the output's gradient: Float, BFloat16 or Half
  int64_t batch, channels, height, width;
  int64_t out_channels, out_height, out_width;
  Window vertical, horizontal; // of the convolution
  const void* input;           // dense in its layout
  Layout input_layout;
  const void* grad_output; // dense in its layout
  Layout grad_layout;
  void* result; // out_channels x channels x rows x columns of taps
  DType result_dtype;
  int64_t strides[4]; // of the result, in elements
};

// On the calling thread and OpenMP's others. Any size may be 0.
void weight_gradient(const WeightGradient& g);

// The implementations, best first, and the one that is taken here (XPU_LITE_ISA).
std::vector<std::string> gradient_implementations();
bool gradient_implementation_serves(const std::string& name, DType dtype);
const char* chosen_gradient_implementation(DType dtype);
void weight_gradient_with(const std::string& name, const WeightGradient& g); // ValueError

} // namespace xpu_lite::cpu::conv
