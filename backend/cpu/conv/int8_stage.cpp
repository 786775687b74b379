// The input as the int8 micro-kernels read it: channels last, padded with its zero point.

#include <algorithm>
#include <cstring>

#include "backend/cpu/conv/int8_plan.h"
#include "backend/cpu/scratch.h"

namespace xpu_lite::cpu::conv {
namespace {

using gemm::Int8Input;
using gemm::Int8Kernels;

int64_t bytes_of(Int8Input type) {
  return type == Int8Input::Float ? 4 : type >= Int8Input::BFloat16 ? 2 : 1;
}

// `count` values that follow each other, as bytes.
void quantise(const Int8Kernels& kernels, const Int8Convolution& c, bool is_signed,
              const char* from, int64_t count, uint8_t* to) {
  if (c.input_type >= Int8Input::Float) {
    float scale = c.input_scale;
    int32_t zero = c.input_zero;
    kernels.quantise({from, c.input_type, 0, count, count, to, &scale, &zero, true, nullptr});
    return;
  }
  std::memcpy(to, from, static_cast<size_t>(count));
  if (c.input_type == Int8Input::S8 && !is_signed) {
    for (int64_t i = 0; i < count; ++i) to[i] ^= 0x80;
  }
}

uint8_t zero_byte(const Int8Convolution& c, bool is_signed) {
  const bool shifted = c.input_type == Int8Input::S8 && !is_signed;
  return static_cast<uint8_t>(c.input_zero + (shifted ? 128 : 0));
}

template <size_t kPixel>
void spread_bytes(const uint8_t* from, int64_t count, uint8_t* to, int64_t pitch) {
  for (int64_t x = 0; x < count; ++x) std::memcpy(to + x * pitch, from + x * kPixel, kPixel);
}

void spread_pixels(const uint8_t* from, int64_t count, int64_t channels, uint8_t* to,
                   int64_t pitch) {
  if (pitch == channels) {
    std::memcpy(to, from, static_cast<size_t>(count * channels));
  } else if (channels == 1) {
    spread_bytes<1>(from, count, to, pitch);
  } else if (channels == 3) {
    spread_bytes<3>(from, count, to, pitch);
  } else if (channels == 4) {
    spread_bytes<4>(from, count, to, pitch);
  } else {
    for (int64_t x = 0; x < count; ++x) {
      std::memcpy(to + x * pitch, from + x * channels, static_cast<size_t>(channels));
    }
  }
}

// Pixels begin, begin + step, ... of a row of the input, `pitch` bytes apart.
void row_of_pixels(const Int8Kernels& kernels, const Int8Convolution& c, bool is_signed,
                   int64_t image, int64_t y, int64_t begin, int64_t step, int64_t count,
                   uint8_t* to, int64_t pitch) {
  const int64_t size = bytes_of(c.input_type);
  const char* input = static_cast<const char*>(c.input);
  thread_local Scratch buffer;
  if (c.input_layout == Layout::ChannelsLast) {
    const char* from = input + (((image * c.height + y) * c.width + begin) * c.channels) * size;
    if (step == 1 && pitch == c.channels) {
      quantise(kernels, c, is_signed, from, count * c.channels, to);
    } else if (step == 1 && c.channels < 16) {
      uint8_t* line = buffer.get<uint8_t>(static_cast<size_t>(count * c.channels));
      quantise(kernels, c, is_signed, from, count * c.channels, line);
      spread_pixels(line, count, c.channels, to, pitch);
    } else {
      for (int64_t x = 0; x < count; ++x) {
        quantise(kernels, c, is_signed, from + x * step * c.channels * size, c.channels,
                 to + x * pitch);
      }
    }
    return;
  }
  const int64_t span = (count - 1) * step + 1;
  uint8_t* line = buffer.get<uint8_t>(static_cast<size_t>(span));
  for (int64_t channel = 0; channel < c.channels; ++channel) {
    const char* from =
        input + (((image * c.channels + channel) * c.height + y) * c.width + begin) * size;
    quantise(kernels, c, is_signed, from, span, line);
    for (int64_t x = 0; x < count; ++x) to[x * pitch + channel] = line[x * step];
  }
}

} // namespace

void int8_stage(const Int8Plan& plan, const Int8Kernels& kernels, const Int8Convolution& c,
                bool is_signed, int64_t image, int64_t first_row, int64_t rows, void* out) {
  const int64_t step = plan.column_step, pad = c.horizontal.pad, width = plan.staged_width;
  // Staged pixel j is input pixel j * step - pad: those of [begin, end) exist.
  const int64_t begin = std::clamp<int64_t>((pad + step - 1) / step, 0, width);
  const int64_t end = std::clamp<int64_t>((c.width - 1 + pad + step) / step, begin, width);
  const uint8_t zero = zero_byte(c, is_signed);
  for (int64_t r = 0; r < rows; ++r) {
    uint8_t* to = static_cast<uint8_t*>(out) + r * plan.row_bytes();
    const int64_t y = first_row + r * plan.row_step;
    if (y < 0 || y >= c.height || begin == end) {
      std::memset(to, zero, static_cast<size_t>(plan.row_bytes()));
      continue;
    }
    std::memset(to, zero, static_cast<size_t>(begin * plan.pixel_bytes));
    std::memset(to + end * plan.pixel_bytes, zero,
                static_cast<size_t>((width - end) * plan.pixel_bytes));
    row_of_pixels(kernels, c, is_signed, image, y, begin * step - pad, step, end - begin,
                  to + begin * plan.pixel_bytes, plan.pixel_bytes);
  }
}

void int8_stage_interleaved(const Int8Plan& plan, const Int8Kernels& kernels,
                            const Int8Convolution& c, bool is_signed, int64_t image,
                            int64_t out_row, int64_t rows, void* out) {
  const Window &v = c.vertical, &h = c.horizontal;
  // The rows themselves first, with their padding: each is read by several rows of outputs.
  Int8Plan dense = plan;
  dense.column_step = dense.row_step = 1;
  dense.pixel_bytes = c.channels;
  dense.staged_width = (c.out_width - 1) * h.stride + (h.size - 1) * h.dilation + 1;
  const int64_t first = out_row * v.stride - v.pad;
  const int64_t count = (rows - 1) * v.stride + (v.size - 1) * v.dilation + 1;
  thread_local Scratch buffer;
  uint8_t* lines = buffer.get<uint8_t>(static_cast<size_t>(count * dense.row_bytes()));
  int8_stage(dense, kernels, c, is_signed, image, first, count, lines);
  for (int64_t row = 0; row < rows; ++row) {
    uint8_t* to = static_cast<uint8_t*>(out) + row * plan.row_bytes();
    for (int64_t y = 0; y < v.size; ++y, to += c.channels) {
      const uint8_t* from = lines + (row * v.stride + y * v.dilation) * dense.row_bytes();
      if (h.dilation == 1) { // windows overlap in what is staged
        spread_pixels(from, plan.staged_width, c.channels, to, plan.pixel_bytes);
        continue;
      }
      for (int64_t x = 0; x < plan.staged_width; ++x) {
        const int64_t at = x / h.size * h.stride + x % h.size * h.dilation;
        std::memcpy(to + x * plan.pixel_bytes, from + at * c.channels,
                    static_cast<size_t>(c.channels));
      }
    }
  }
}

} // namespace xpu_lite::cpu::conv
