#pragma once

// What winograd.cpp asks of an instruction set: the sums around the products.

#include <cstdint>

#include "backend/cpu/conv/convolution.h"

namespace xpu_lite::cpu::conv {

constexpr int kWinogradPoints = 36, kWinogradTile = 4, kWinogradReach = 6;

// Tiles [first, first + count) of all images, row by row. Point p of tile i is the row of
// channels at data + (p * count + i) * ld.
struct WinogradBlock {
  const Convolution* convolution;
  int64_t rows, columns; // tiles of an image
  int64_t first, count;
  float* data;
  int64_t ld;
};

namespace avx512 {
// Panel `panel` of all 36 weights; that of point p at out + p * point.
void winograd_filter(const Filter& filter, int64_t panel, float* out, int64_t point);
void winograd_input(const WinogradBlock& block);
void winograd_output(const WinogradBlock& block); // with the epilogue
}

} // namespace xpu_lite::cpu::conv
