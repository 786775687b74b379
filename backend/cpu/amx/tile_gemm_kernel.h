#pragma once

// The loops of tile_gemm.h over any implementation of the tile interface. Tiles 0 to 3
// are c, 4 and 5 are a's rows, 6 and 7 b's columns.
//
// Ragged edges: rows of a and columns of b that are not there are not in the
// configuration, so tiles neither read nor write them; an incomplete last step of k is
// copied from a into a zeroed buffer (reconfiguring there would clear the sums). The
// inner part and the edges of c are visited apart, so a call loads at most four
// configurations.

#include "backend/cpu/amx/tile_gemm.h"

namespace xpu_lite::cpu::amx {
namespace {

#define XPU_LITE_TILE_FN inline __attribute__((always_inline))

template <TileProduct kProduct, int kC, int kA, int kB, class Tiles>
XPU_LITE_TILE_FN void multiply(Tiles& tiles) {
  if constexpr (kProduct == TileProduct::bf16) tiles.template tdpbf16ps<kC, kA, kB>();
  if constexpr (kProduct == TileProduct::fp16) tiles.template tdpfp16ps<kC, kA, kB>();
  if constexpr (kProduct == TileProduct::s8s8) tiles.template tdpbssd<kC, kA, kB>();
  if constexpr (kProduct == TileProduct::s8u8) tiles.template tdpbsud<kC, kA, kB>();
  if constexpr (kProduct == TileProduct::u8s8) tiles.template tdpbusd<kC, kA, kB>();
  if constexpr (kProduct == TileProduct::u8u8) tiles.template tdpbuud<kC, kA, kB>();
}

// One dimension of c cut into tiles: `count` pairs or one edge of 1 or 2 tiles.
struct TileSpan {
  int64_t begin, end;
  int tiles;       // side by side
  int sizes[2];    // rows or columns in each
};

// The inner part and the edge of `size` elements; returns how many of them exist.
XPU_LITE_TILE_FN int cut(int64_t size, TileSpan* spans) {
  int count = 0;
  const int64_t inner = size / 32 * 32;
  if (inner) spans[count++] = {0, inner, 2, {16, 16}};
  const int rest = static_cast<int>(size - inner);
  if (rest > 16) spans[count++] = {inner, size, 2, {16, rest - 16}};
  if (rest > 0 && rest <= 16) spans[count++] = {inner, size, 1, {rest, 0}};
  return count;
}

template <TileProduct kProduct, int kRows, int kColumns, class Tiles>
XPU_LITE_TILE_FN void step(Tiles& tiles, const char* a, int64_t a_row, const char* b,
                           const TileGemm& g) {
  tiles.template load<6>(b, g.b_group);
  tiles.template load<4>(a, a_row);
  multiply<kProduct, 0, 4, 6>(tiles);
  if constexpr (kColumns == 2) {
    tiles.template load<7>(b + g.b_columns, g.b_group);
    multiply<kProduct, 1, 4, 7>(tiles);
  }
  if constexpr (kRows == 2) {
    tiles.template load<5>(a + 16 * a_row, a_row);
    multiply<kProduct, 2, 5, 6>(tiles);
    if constexpr (kColumns == 2) multiply<kProduct, 3, 5, 7>(tiles);
  }
}

// kRows x kColumns tiles of c, whole k. `tail` holds a's last, incomplete step.
template <TileProduct kProduct, int kRows, int kColumns, class Tiles>
XPU_LITE_TILE_FN void block(Tiles& tiles, const TileGemm& g, int64_t row, int64_t column,
                            const char* tail) {
  const char* a = static_cast<const char*>(g.a) + row * g.a_row;
  const char* b = static_cast<const char*>(g.b) + column / 16 * g.b_columns;
  char* c = static_cast<char*>(g.c) + row * g.c_row + column * 4;
  const int64_t below = 16 * g.c_row;
  if (g.accumulate) {
    tiles.template load<0>(c, g.c_row);
    if constexpr (kColumns == 2) tiles.template load<1>(c + 64, g.c_row);
    if constexpr (kRows == 2) tiles.template load<2>(c + below, g.c_row);
    if constexpr (kRows == 2 && kColumns == 2) tiles.template load<3>(c + below + 64, g.c_row);
  } else {
    tiles.template zero<0>();
    if constexpr (kColumns == 2) tiles.template zero<1>();
    if constexpr (kRows == 2) tiles.template zero<2>();
    if constexpr (kRows == 2 && kColumns == 2) tiles.template zero<3>();
  }
  const int64_t steps = g.k * tile_element_bytes(kProduct) / kTileRowBytes;
  for (int64_t s = 0; s < steps; ++s) {
    step<kProduct, kRows, kColumns>(tiles, a + s * kTileRowBytes, g.a_row,
                                    b + s * 16 * g.b_group, g);
  }
  if (tail) {
    step<kProduct, kRows, kColumns>(tiles, tail, kTileRowBytes, b + steps * 16 * g.b_group, g);
  }
  tiles.template store<0>(c, g.c_row);
  if constexpr (kColumns == 2) tiles.template store<1>(c + 64, g.c_row);
  if constexpr (kRows == 2) tiles.template store<2>(c + below, g.c_row);
  if constexpr (kRows == 2 && kColumns == 2) tiles.template store<3>(c + below + 64, g.c_row);
}

template <TileProduct kProduct, int kRows, int kColumns, class Tiles>
void part(Tiles& tiles, const TileGemm& g, const TileSpan& rows, const TileSpan& columns) {
  TileConfig config;
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kColumns; ++j) config.set(2 * i + j, rows.sizes[i], columns.sizes[j] * 4);
    config.set(4 + i, rows.sizes[i], kTileRowBytes);
  }
  for (int j = 0; j < kColumns; ++j) config.set(6 + j, kTileRows, columns.sizes[j] * 4);
  tiles.configure(config);

  const int64_t row_bytes = g.k * tile_element_bytes(kProduct);
  const int64_t rest = row_bytes % kTileRowBytes;
  alignas(64) char tail[2 * kTileRows * kTileRowBytes];
  for (int64_t row = rows.begin; row < rows.end; row += 32) {
    if (rest) {
      const int64_t count = row + 32 < rows.end ? 32 : rows.end - row;
      for (int64_t r = 0; r < count; ++r) {
        const char* from = static_cast<const char*>(g.a) + (row + r) * g.a_row + row_bytes - rest;
        char* to = tail + r * kTileRowBytes;
        int64_t i = 0;
        for (; i + 8 <= rest; i += 8) __builtin_memcpy(to + i, from + i, 8);
        uint64_t last = 0;
        for (int64_t j = rest - 1; j >= i; --j) last = last << 8 | static_cast<uint8_t>(from[j]);
        __builtin_memcpy(to + i, &last, 8);
        for (i += 8; i < kTileRowBytes; i += 8) __builtin_memset(to + i, 0, 8);
      }
    }
    for (int64_t column = columns.begin; column < columns.end; column += 32) {
      block<kProduct, kRows, kColumns>(tiles, g, row, column, rest ? tail : nullptr);
    }
  }
}

template <TileProduct kProduct, class Tiles>
void product(Tiles& tiles, const TileGemm& g) {
  TileSpan rows[2], columns[2];
  const int row_spans = cut(g.m, rows), column_spans = cut(g.n, columns);
  for (int i = 0; i < row_spans; ++i) {
    for (int j = 0; j < column_spans; ++j) {
      if (rows[i].tiles == 2 && columns[j].tiles == 2) {
        part<kProduct, 2, 2>(tiles, g, rows[i], columns[j]);
      } else if (rows[i].tiles == 2) {
        part<kProduct, 2, 1>(tiles, g, rows[i], columns[j]);
      } else if (columns[j].tiles == 2) {
        part<kProduct, 1, 2>(tiles, g, rows[i], columns[j]);
      } else {
        part<kProduct, 1, 1>(tiles, g, rows[i], columns[j]);
      }
    }
  }
}

template <class Tiles>
void run(TileProduct which, const TileGemm& g, TileState& state) {
  Tiles tiles(state);
  switch (which) {
    case TileProduct::bf16: return product<TileProduct::bf16>(tiles, g);
    case TileProduct::fp16: return product<TileProduct::fp16>(tiles, g);
    case TileProduct::s8s8: return product<TileProduct::s8s8>(tiles, g);
    case TileProduct::s8u8: return product<TileProduct::s8u8>(tiles, g);
    case TileProduct::u8s8: return product<TileProduct::u8s8>(tiles, g);
    case TileProduct::u8u8: return product<TileProduct::u8u8>(tiles, g);
  }
}

#undef XPU_LITE_TILE_FN

} // namespace
} // namespace xpu_lite::cpu::amx
