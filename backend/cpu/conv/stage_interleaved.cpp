// Inputs of few channels (images): the rows under a window side by side, so that a window
// of 7x7 pixels of 3 colours is one stretch of 147 values.

#include <cstring>

#include "backend/cpu/conv/plan.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/cpu/scratch.h"

namespace xpu_lite::cpu::conv {
namespace {

// Dense pixels of so many bytes to places `pitch` bytes apart.
template <size_t kPixel>
void spread_pixels(const char* from, int64_t count, char* to, int64_t pitch) {
  for (int64_t x = 0; x < count; ++x) std::memcpy(to + x * pitch, from + x * kPixel, kPixel);
}

} // namespace

void stage_interleaved(const Plan& plan, const gemm::Kernels& kernels, const Convolution& c,
                       int64_t image, int64_t out_row, int64_t rows, void* out) {
  const Window &v = c.vertical, &h = c.horizontal;
  const int64_t pixel = plan.channels * plan.element_bytes, pitch = plan.pitch * plan.element_bytes;
  // The rows themselves first, with their padding: each is read by several rows of outputs.
  Convolution plain = c;
  plain.vertical = {1, 1, 0, 1};
  Plan dense = plan;
  dense.column_step = dense.row_step = 1;
  dense.pitch = plan.channels;
  dense.staged_width = (c.out_width - 1) * h.stride + (h.size - 1) * h.dilation + 1;
  const int64_t first = out_row * v.stride - v.pad;
  const int64_t count = (rows - 1) * v.stride + (v.size - 1) * v.dilation + 1;
  thread_local Scratch buffer;
  char* lines = buffer.get<char>(static_cast<size_t>(count * dense.staged_row_bytes()) + 64);
  stage(dense, kernels, plain, image, first, count, lines);
  const bool shared = h.dilation == 1; // windows overlap in what is staged
  for (int64_t row = 0; row < rows; ++row) {
    char* to = static_cast<char*>(out) + row * plan.staged_row_bytes();
    for (int64_t y = 0; y < v.size; ++y, to += pixel) {
      const char* from =
          lines + (row * v.stride + y * v.dilation) * dense.staged_row_bytes();
      const int64_t n = plan.staged_width;
      if (shared && pixel == 4) {
        spread_pixels<4>(from, n, to, pitch);
      } else if (shared && pixel == 8) {
        spread_pixels<8>(from, n, to, pitch);
      } else if (shared && pixel == 12) {
        spread_pixels<12>(from, n, to, pitch);
      } else if (shared && pixel == 16) {
        spread_pixels<16>(from, n, to, pitch);
      } else {
        for (int64_t x = 0; x < n; ++x) {
          const int64_t at = x / h.size * h.stride + x % h.size * h.dilation;
          std::memcpy(to + x * pitch, from + at * pixel, static_cast<size_t>(pixel));
        }
      }
    }
  }
}

} // namespace xpu_lite::cpu::conv
