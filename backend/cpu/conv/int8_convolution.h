#pragma once

// Convolutions of int8 filters that are packed once, in two dimensions:
//
//   real = activation(sum(input * filter) + bias + add), quantised anew where asked for.
//
// The input is u8 or s8 with a scale and a zero point, or floats that are quantised to u8
// by these as they are staged. Sums are exact in int32. Between layers values may stay u8:
// a quarter of the bytes, and nothing to quantise.
//
// The filter is packed as the weight of an int8 product (backend/cpu/gemm/int8_gemm.h);
// each thread stages a band of the input with its padding (the zero point) into its
// second-level cache, and the product's micro-kernels walk over it tap by tap.

#include <string>
#include <vector>

#include "backend/cpu/conv/convolution.h"
#include "backend/cpu/gemm/int8_gemm.h"

namespace xpu_lite::cpu::conv {

// Element (o, c, y, x) is at data[o * strides[0] + c * strides[1] + ...].
struct Int8Filter {
  int64_t out_channels, channels, height, width;
  const int8_t* data;
  int64_t strides[4];
};
size_t int8_packed_bytes(const Int8Filter& filter);
void int8_pack(const Int8Filter& filter, void* out); // on a 64-byte boundary

// real = (q - zero) * scale; floats are real themselves.
struct Int8Add {
  const void* data = nullptr; // of the output's shape, channels last
  gemm::Int8Output type = gemm::Int8Output::Float;
  float scale = 1;
  int32_t zero = 0;
};

struct Int8Convolution {
  int64_t batch, channels, height, width;
  int64_t out_channels, out_height, out_width;
  Window vertical, horizontal;
  const void* input; // dense in its layout
  Layout input_layout;
  gemm::Int8Input input_type;
  float input_scale;
  int32_t input_zero; // 0 to 255 for floats and u8, -128 to 127 for s8
  const void* packed;
  const float* weight_scale; // one for each output channel
  void* output; // dense, channels last
  gemm::Int8Output output_type;
  float output_scale = 1; // of u8 and s8
  int32_t output_zero = 0;
  gemm::Vector bias = {};
  gemm::Activation activation = gemm::Activation::None;
  Int8Add add = {};
};

// On the calling thread and OpenMP's others. Any size may be 0.
void int8_convolution(const Int8Convolution& c);

// Best first: those of the int8 product. XPU_LITE_GEMM names one here, too.
std::vector<std::string> int8_implementations();
bool int8_implementation_serves(const std::string& name);
void int8_convolution_with(const std::string& name, const Int8Convolution& c);
void int8_reference_convolution(const Int8Convolution& c);

} // namespace xpu_lite::cpu::conv
