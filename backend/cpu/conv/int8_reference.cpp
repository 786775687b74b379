// The meaning of int8_convolution(), in plain loops over the packed filter.

#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/conv/int8_plan.h"
#include "backend/cpu/gemm/int8_values.h"

namespace xpu_lite::cpu::conv {
namespace {

using gemm::Int8Input;
using gemm::Int8Output;

// (q - zero) of an input element.
int32_t input_at(const Int8Convolution& c, int64_t i) {
  if (c.input_type == Int8Input::U8) return static_cast<const uint8_t*>(c.input)[i] - c.input_zero;
  if (c.input_type == Int8Input::S8) return static_cast<const int8_t*>(c.input)[i] - c.input_zero;
  const DType dtype = c.input_type == Int8Input::Float ? DType::Float
      : c.input_type == Int8Input::BFloat16            ? DType::BFloat16
                                                       : DType::Half;
  const float q = std::fma(gemm::read_value(c.input, dtype, i), 1.f / c.input_scale,
                           static_cast<float>(c.input_zero));
  return static_cast<int32_t>(std::nearbyint(std::clamp(q, 0.f, 255.f))) - c.input_zero;
}

double added_at(const Int8Add& add, int64_t i) {
  if (!add.data) return 0;
  switch (add.type) {
    case Int8Output::Float: return static_cast<const float*>(add.data)[i];
    case Int8Output::BFloat16: return static_cast<const bfloat16*>(add.data)[i];
    case Int8Output::Half: return static_cast<const half*>(add.data)[i];
    case Int8Output::U8:
      return (static_cast<const uint8_t*>(add.data)[i] - add.zero) * double(add.scale);
    case Int8Output::S8:
      return (static_cast<const int8_t*>(add.data)[i] - add.zero) * double(add.scale);
  }
  return 0;
}

void write_at(const Int8Convolution& c, int64_t i, double x) {
  switch (c.output_type) {
    case Int8Output::Float: static_cast<float*>(c.output)[i] = static_cast<float>(x); return;
    case Int8Output::BFloat16: static_cast<bfloat16*>(c.output)[i] = static_cast<float>(x); return;
    case Int8Output::Half: static_cast<half*>(c.output)[i] = static_cast<float>(x); return;
    default: break;
  }
  const double q = std::nearbyint(x / c.output_scale) + c.output_zero;
  if (c.output_type == Int8Output::U8) {
    static_cast<uint8_t*>(c.output)[i] = static_cast<uint8_t>(std::clamp(q, 0., 255.));
  } else {
    static_cast<int8_t*>(c.output)[i] = static_cast<int8_t>(std::clamp(q, -128., 127.));
  }
}

} // namespace

void int8_reference_convolution(const Int8Convolution& c) {
  const Window &v = c.vertical, &h = c.horizontal;
  const Int8Taps taps = int8_taps(c.channels, v.size, h.size, c.channels % 4 == 0);
  const int64_t k = taps.count * taps.padded_k, panel_bytes = gemm::int8_panel_bytes(k);
  const int64_t pixels = c.out_height * c.out_width;
  std::vector<int32_t> patch(static_cast<size_t>(k));
  for (int64_t pixel = 0; pixel < c.batch * pixels; ++pixel) {
    const int64_t image = pixel / pixels, row = pixel % pixels / c.out_width;
    const int64_t column = pixel % c.out_width;
    std::fill(patch.begin(), patch.end(), 0);
    for (int64_t t = 0; t < v.size * h.size; ++t) {
      const int64_t fy = t / h.size, fx = t % h.size;
      const int64_t y = row * v.stride - v.pad + fy * v.dilation;
      const int64_t x = column * h.stride - h.pad + fx * h.dilation;
      if (y < 0 || y >= c.height || x < 0 || x >= c.width) continue;
      const int64_t at = taps.interleaved ? (fx * v.size + fy) * c.channels
          : taps.rows                     ? fy * taps.padded_k + fx * c.channels
                                          : t * taps.padded_k;
      for (int64_t i = 0; i < c.channels; ++i) {
        patch[at + i] = input_at(c, c.input_layout == Layout::ChannelsLast
            ? ((image * c.height + y) * c.width + x) * c.channels + i
            : ((image * c.channels + i) * c.height + y) * c.width + x);
      }
    }
    for (int64_t o = 0; o < c.out_channels; ++o) {
      const int8_t* w = static_cast<const int8_t*>(c.packed) + o / gemm::kInt8Panel * panel_bytes +
          o % gemm::kInt8Panel * gemm::kInt8Group;
      int64_t sum = 0;
      for (int64_t p = 0; p < k; ++p) {
        sum += int64_t{patch[p]} *
            w[p / gemm::kInt8Group * gemm::kInt8Panel * gemm::kInt8Group + p % gemm::kInt8Group];
      }
      double real = static_cast<double>(sum) * c.input_scale * c.weight_scale[o];
      if (c.bias.data) real += gemm::read_value(c.bias.data, c.bias.dtype, o);
      real += added_at(c.add, pixel * c.out_channels + o);
      write_at(c, pixel * c.out_channels + o, gemm::activate_value(c.activation, real));
    }
  }
}

} // namespace xpu_lite::cpu::conv
