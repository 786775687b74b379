// The input as the micro-kernels read it: channels last, padded, in their dtype.

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "backend/cpu/conv/plan.h"
#include "backend/cpu/kernels/scalar_types.h"

namespace xpu_lite::cpu::conv {
namespace {

using gemm::Kernels;

// Pixels from..to-1 of a row by plain loops: any strides, in elements.
struct Pixels {
  int64_t count, channels, padded, pixel_stride, channel_stride, pitch;
};

template <class From, class To>
void copy_pixels(const Pixels& p, const void* from, void* to) {
  const From* in = static_cast<const From*>(from);
  To* out = static_cast<To*>(to);
  for (int64_t c = 0; c < p.channels; ++c) {
    for (int64_t x = 0; x < p.count; ++x) {
      const From value = in[x * p.pixel_stride + c * p.channel_stride];
      if constexpr (std::is_same_v<From, To>) {
        out[x * p.pitch + c] = value;
      } else {
        out[x * p.pitch + c] = To(static_cast<float>(value));
      }
    }
  }
  for (int64_t c = p.channels; c < p.padded; ++c) {
    for (int64_t x = 0; x < p.count; ++x) out[x * p.pitch + c] = To{};
  }
}

void copy_any(const Pixels& p, DType from_dtype, const void* from, DType to_dtype, void* to) {
  if (from_dtype == DType::Float) return copy_pixels<float, float>(p, from, to);
  if (from_dtype == DType::Half) return copy_pixels<half, float>(p, from, to);
  if (to_dtype == DType::Float) return copy_pixels<bfloat16, float>(p, from, to);
  copy_pixels<uint16_t, uint16_t>(p, from, to); // bits: a NaN stays what it is
}

} // namespace

void stage(const Plan& plan, const Kernels& kernels, const Convolution& c, int64_t image,
           int64_t first_row, int64_t rows, void* out) {
  const Window& h = c.horizontal;
  const int64_t size = dtype_size(c.dtype), step = plan.column_step;
  const bool last = c.input_layout == Layout::ChannelsLast;
  const int64_t pixel_stride = last ? c.channels : 1;
  const int64_t channel_stride = last ? 1 : c.height * c.width;
  const int64_t row_stride = last ? c.width * c.channels : c.width;
  const char* input = static_cast<const char*>(c.input) +
      image * c.height * c.width * c.channels * size;
  // Staged pixel j is input pixel j * step - pad: those of [begin, end) exist.
  const int64_t begin = std::clamp<int64_t>((h.pad + step - 1) / step, 0, plan.staged_width);
  const int64_t end =
      std::clamp<int64_t>((c.width - 1 + h.pad + step) / step, begin, plan.staged_width);
  const int64_t pixel_bytes = plan.pitch * plan.element_bytes;
  // Whole registers are stored where channels become dense: they must be the pixel's own.
  const bool transposes = !last && step == 1 && plan.channels % (64 / plan.element_bytes) == 0 &&
      c.channels == plan.channels;
  for (int64_t r = 0; r < rows; ++r) {
    char* to = static_cast<char*>(out) + r * plan.staged_row_bytes();
    const int64_t y = first_row + r * plan.row_step;
    if (y < 0 || y >= c.height) {
      // The rows of taller filters are left out where they are asked for.
      if (c.vertical.size == 1) {
        std::memset(to, 0, static_cast<size_t>(plan.staged_row_bytes()));
      }
      continue;
    }
    std::memset(to, 0, static_cast<size_t>(begin * pixel_bytes));
    std::memset(to + end * pixel_bytes, 0,
                static_cast<size_t>((plan.staged_width - end) * pixel_bytes));
    if (begin == end) continue;
    const char* from = input + (y * row_stride + (begin * step - h.pad) * pixel_stride) * size;
    char* first = to + begin * pixel_bytes;
    const int64_t count = end - begin;
    if (last && step == 1 && plan.pitch == c.channels) { // one stretch of memory
      const int64_t n = count * c.channels;
      kernels.stage({from, c.dtype, false, n, 1, n, n, first, kernels.a_dtype, n});
    } else if (last && c.channels >= 8) {
      kernels.stage({from, c.dtype, false, step * c.channels, count, c.channels, plan.channels,
                     first, kernels.a_dtype, plan.pitch});
    } else if (transposes) {
      kernels.stage({from, c.dtype, true, channel_stride, count, c.channels, c.channels, first,
                     kernels.a_dtype, plan.pitch});
    } else {
      copy_any({count, c.channels, plan.channels, step * pixel_stride, channel_stride, plan.pitch},
               c.dtype, from, kernels.a_dtype, first);
    }
  }
}

} // namespace xpu_lite::cpu::conv
