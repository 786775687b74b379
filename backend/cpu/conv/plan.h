#pragma once

// How a convolution is laid out for the micro-kernels: which taps there are, how rows of
// the input are staged, how much of it at a time. Arithmetic on shapes only.

#include <cstdint>
#include <vector>

#include "backend/cpu/conv/convolution.h"
#include "backend/cpu/gemm/kernels.h"
#include "backend/cpu/gemm/partition.h"

namespace xpu_lite::cpu::conv {

// Channels of a pixel in the packed filter and in staged rows: the layout may hold pairs.
constexpr int64_t padded_channels(DType dtype, int64_t channels) {
  return gemm::padded_k(dtype, channels);
}

// With few channels a row of taps is too short a stretch of k. The rows that a window sees
// are staged side by side then, pixel by pixel, and k runs over the filter's columns, then
// its rows, then the channels: the whole window is one tap.
constexpr bool interleaves_rows(DType dtype, int64_t channels, int64_t height, int64_t width) {
  return padded_channels(dtype, channels) <= 4 && height > 1 && width > 1;
}

// True for a product of all pixels with nothing to stage.
bool is_plain_product(const Convolution& c);

struct Plan {
  explicit Plan(const Convolution& c, const gemm::Kernels& kernels);

  // A tap is `tap_k` steps of k, from staged pixel column `column` of input row `row` on.
  struct Tap {
    int64_t row, column;
  };
  std::vector<Tap> taps;
  int64_t channels; // padded
  int64_t tap_k;
  int64_t group; // taps at a time, so that their part of a panel stays in the cache

  // Staged: pixels `pitch` elements apart, rows `staged_width` pixels. A filter of
  // width 1 reads every stride-th pixel only, and these are what is staged.
  int64_t pitch, staged_width, column_step, pixel_step;
  int64_t row_step;  // of the input, from one staged row to the next
  bool merged;       // 1x1: all rows of outputs are one line
  bool interleaved;  // see interleaves_rows(); a staged row serves one row of outputs
  int64_t band_rows; // rows of outputs for which the input is staged at a time
  int64_t staged_row_bytes() const { return staged_width * pitch * element_bytes; }
  int64_t staged_rows(int64_t out_rows) const; // for so many rows of outputs

  int64_t element_bytes; // of what is staged

 private:
  int64_t rows_between_, row_reach_;
};

// The parts of all rows of outputs by parts of the panels that threads take.
gemm::Grid thread_grid(const Convolution& c, int threads);

// Copies the input rows first_row, first_row + row_step, ... of an image; those outside of
// the input, if asked for, and the padding on both sides become zero.
void stage(const Plan& plan, const gemm::Kernels& kernels, const Convolution& c, int64_t image,
           int64_t first_row, int64_t rows, void* out);
// The same for interleaved rows: what `rows` rows of outputs from out_row on read.
void stage_interleaved(const Plan& plan, const gemm::Kernels& kernels, const Convolution& c,
                       int64_t image, int64_t out_row, int64_t rows, void* out);

void reference_convolution(const Convolution& c);
void run_rows(const gemm::Kernels& kernels, const Convolution& c);

} // namespace xpu_lite::cpu::conv
