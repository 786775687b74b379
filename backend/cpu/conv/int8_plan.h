#pragma once

// How an int8 convolution is laid out for the int8 product's micro-kernels, and what one
// instruction set does after the sums.

#include <cstdint>
#include <vector>

#include "backend/cpu/conv/int8_convolution.h"
#include "backend/cpu/gemm/int8_kernels.h"
#include "backend/cpu/gemm/partition.h"

namespace xpu_lite::cpu::conv {

// With few channels the rows that a window sees are staged side by side, pixel by pixel:
// the whole window is one stretch of k.
constexpr bool int8_interleaves(int64_t channels, int64_t height, int64_t width) {
  return channels < 16 && height * width > 1;
}

// The order of k in the packed filter: taps of `tap_k` steps, rounded up to fours. A tap is
// a pixel's channels, a row of taps, or the whole window (columns, rows, channels).
struct Int8Taps {
  int64_t count, tap_k, padded_k;
  bool interleaved, rows;
};
Int8Taps int8_taps(int64_t channels, int64_t height, int64_t width, bool dense_columns);

struct Int8Plan {
  explicit Int8Plan(const Int8Convolution& c);

  Int8Taps taps;
  std::vector<int64_t> offsets; // of each tap, from an output pixel's first byte
  bool direct;            // tiles read the input itself
  bool merged;            // 1x1: a band's outputs are one line
  int64_t pixel_bytes;    // from one staged pixel to the next
  int64_t staged_width;   // pixels of a staged row
  int64_t column_step, row_step; // of the input, from one staged pixel, row to the next
  int64_t pixel_step, rows_between, row_reach; // from one output to the next, in staged ones
  int64_t band_rows;      // rows of outputs at a time
  int64_t row_bytes() const { return staged_width * pixel_bytes; }
  int64_t staged_rows(int64_t out_rows) const { return (out_rows - 1) * rows_between + row_reach; }
};

// Rows from first_row on, row_step apart, of an image as u8 (or s8 where `is_signed`).
// What lies outside of the input is the zero point.
void int8_stage(const Int8Plan& plan, const gemm::Int8Kernels& kernels, const Int8Convolution& c,
                bool is_signed, int64_t image, int64_t first_row, int64_t rows, void* out);
// Interleaved: what `rows` rows of outputs from out_row on read.
void int8_stage_interleaved(const Int8Plan& plan, const gemm::Int8Kernels& kernels,
                            const Int8Convolution& c, bool is_signed, int64_t image,
                            int64_t out_row, int64_t rows, void* out);

// Sums [rows][32] to results, whose rows are `ld` elements apart.
struct Int8Finish {
  const Int8Convolution* convolution;
  const int32_t* sums;
  int64_t rows, columns; // at most 32
  int64_t pixel, column; // of the output
  const int32_t* correction; // to subtract from the sums, of 32 columns
  const float* scale;        // of the input times of the filter
  const float* bias;
};
using Int8FinishFn = void (*)(const Int8Finish&);
void int8_finish_avx2(const Int8Finish& f);
void int8_finish_avx512(const Int8Finish& f);

void int8_run_rows(const gemm::Int8Kernels& kernels, const Int8Convolution& c);

} // namespace xpu_lite::cpu::conv
