// The meaning of convolution(), in plain loops over the packed filter.

#include <algorithm>
#include <vector>

#include "backend/cpu/conv/plan.h"
#include "backend/cpu/kernels/scalar_types.h"

namespace xpu_lite::cpu::conv {
namespace {

float value_at(const void* data, DType dtype, int64_t i) {
  if (dtype == DType::Float) return static_cast<const float*>(data)[i];
  if (dtype == DType::BFloat16) return static_cast<const bfloat16*>(data)[i];
  return static_cast<const half*>(data)[i];
}

} // namespace

// The patch under each output, then the reference GEMM: of one row, whose epilogue knows
// what follows a sum.
void reference_convolution(const Convolution& c) {
  const Window &v = c.vertical, &h = c.horizontal;
  const int64_t padded = padded_channels(c.dtype, c.channels);
  const int64_t k = v.size * h.size * padded, size = dtype_size(c.output_dtype);
  const bool by_column = interleaves_rows(c.dtype, c.channels, v.size, h.size);
  const bool last = c.input_layout == Layout::ChannelsLast;
  const int64_t image_pixels = c.out_height * c.out_width;
  std::vector<char> patch(static_cast<size_t>(k * dtype_size(c.dtype)));
  std::vector<char> result(static_cast<size_t>(c.out_channels * size));
  const auto set = [&](int64_t i, float x) {
    char* p = patch.data() + i * dtype_size(c.dtype);
    if (c.dtype == DType::Float) {
      *reinterpret_cast<float*>(p) = x;
    } else if (c.dtype == DType::BFloat16) {
      *reinterpret_cast<bfloat16*>(p) = bfloat16(x);
    } else {
      *reinterpret_cast<half*>(p) = half(x);
    }
  };
  for (int64_t pixel = 0; pixel < c.batch * image_pixels; ++pixel) {
    const int64_t image = pixel / image_pixels;
    const int64_t row = pixel % image_pixels / c.out_width, column = pixel % c.out_width;
    for (int64_t i = 0; i < k; ++i) {
      const int64_t channel = i % padded, tap = i / padded;
      const int64_t fy = by_column ? tap % v.size : tap / h.size;
      const int64_t fx = by_column ? tap / v.size : tap % h.size;
      const int64_t y = row * v.stride - v.pad + fy * v.dilation;
      const int64_t x = column * h.stride - h.pad + fx * h.dilation;
      const bool inside = channel < c.channels && y >= 0 && y < c.height && x >= 0 && x < c.width;
      const int64_t at = last
          ? ((image * c.height + y) * c.width + x) * c.channels + channel
          : ((image * c.channels + channel) * c.height + y) * c.width + x;
      set(i, inside ? value_at(c.input, c.dtype, at) : 0);
    }
    gemm::Gemm g{c.dtype, 1, c.out_channels, k, patch.data(), k, c.packed, result.data(),
                 c.out_channels, c.output_dtype, c.epilogue};
    if (g.epilogue.add.data) {
      g.epilogue.add.data = static_cast<const char*>(g.epilogue.add.data) +
          pixel * g.epilogue.add.ld * dtype_size(g.epilogue.add.dtype);
    }
    gemm::reference_gemm(g);
    for (int64_t o = 0; o < c.out_channels; ++o) {
      const int64_t at = c.output_layout == Layout::ChannelsLast
          ? pixel * c.out_channels + o
          : (image * c.out_channels + o) * image_pixels + pixel % image_pixels;
      std::copy_n(result.data() + o * size, size, static_cast<char*>(c.output) + at * size);
    }
  }
}

} // namespace xpu_lite::cpu::conv
