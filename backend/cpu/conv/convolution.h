#pragma once

// output = epilogue(convolution of input with a packed filter), in two dimensions.
//
//   std::vector<char> panels(conv::packed_bytes(filter));
//   conv::pack(filter, panels.data());
//   conv::convolution(c);
//
// A convolution is a product: pixels x (taps * channels) times the filter, which is
// packed as the weight of a GEMM (backend/cpu/gemm). A 1x1 convolution is that GEMM. For
// others each thread copies the rows that it needs, with their padding, into its
// second-level cache; there the channels of one pixel and the next follow each other,
// so that one row of taps is one dense stretch of k, and the GEMM's micro-kernels of
// every instruction set run on it unchanged.
//
// Products are summed in float whatever the dtype.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backend/cpu/gemm/packed_gemm.h"

namespace xpu_lite::cpu::conv {

// Filter element (o, c, y, x) is at data[o * strides[0] + c * strides[1] + y * strides[2]
// + x * strides[3]], in elements; strides may be negative (a filter turned around).
struct Filter {
  DType dtype; // of the packed form: Float, BFloat16 or Half
  int64_t out_channels, channels, height, width;
  const void* data;
  DType data_dtype;
  int64_t strides[4];
};
size_t packed_bytes(const Filter& filter);
void pack(const Filter& filter, void* out);

// Of one direction, in pixels. What is read beyond the input, before or after, is zero.
struct Window {
  int64_t size = 1, stride = 1, pad = 0, dilation = 1;
};

enum class Layout : uint8_t { ChannelsLast, ChannelsFirst };

struct Convolution {
  DType dtype; // of the input and of the packed filter
  int64_t batch, channels, height, width;
  int64_t out_channels, out_height, out_width;
  Window vertical, horizontal;
  const void* input; // dense in its layout
  Layout input_layout;
  const void* packed;
  void* output; // dense in its layout; may be Float, BFloat16 or Half
  Layout output_layout;
  DType output_dtype;
  // bias, activation, add (with add_first), scale and beta; `add` has the output's shape
  // and needs an output with channels last.
  gemm::Epilogue epilogue = {};
};

// On the calling thread and OpenMP's others. Any size may be 0.
void convolution(const Convolution& c);

// The implementations, best first: those of the GEMM. convolution() takes the one that
// gemm() would take (XPU_LITE_ISA, XPU_LITE_GEMM).
std::vector<std::string> implementations();
bool implementation_serves(const std::string& name, DType dtype); // here, on this processor
const char* chosen_implementation(const Convolution& c);
void convolution_with(const std::string& name, const Convolution& c); // ValueError: not served

} // namespace xpu_lite::cpu::conv
