#pragma once

// The matrix product over packed weights on tiles: c (+)= a b, 2x2 tiles of c at a
// time, any m, n, k. The kernels are freestanding: the same objects run in the library
// and on an emulated processor (tools/amx_check.py).

#include "backend/cpu/amx/tile_config.h"

namespace xpu_lite::cpu::amx {

// Types of a and b. The sums are float32 for the 16-bit floats, else int32.
enum class TileProduct : int { bf16, fp16, s8s8, s8u8, u8s8, u8u8 };
constexpr int kTileProducts = 6;

// Strides are in bytes. b is packed: k in groups of 4 bytes (4 int8 or 2 floats), the
// group's rows of 16 columns are `b_group` bytes apart, 16 columns further on is
// `b_columns` bytes away: column n of group g is at (n / 16) * b_columns + g * b_group
// + (n % 16) * 4. There are whole tiles of it: groups to a multiple of 16 and columns to
// a multiple of 16 can be read, and groups beyond k are zero. Of a and c only the
// m x k and m x n elements are touched.
struct TileGemm {
  int64_t m, n, k;
  const void* a;
  int64_t a_row;
  const void* b;
  int64_t b_group, b_columns;
  void* c;
  int64_t c_row;
  bool accumulate;  // c += a b instead of c = a b
};

using TileGemmFn = void (*)(TileProduct, const TileGemm&, TileState&);
void tile_gemm_amx(TileProduct, const TileGemm&, TileState&);
void tile_gemm_avx512(TileProduct, const TileGemm&, TileState&);
void tile_gemm_model(TileProduct, const TileGemm&, TileState&);
void tile_release_amx(TileState&);  // back to the initial state: the OS saves no tiles

constexpr int tile_element_bytes(TileProduct p) {
  return p == TileProduct::bf16 || p == TileProduct::fp16 ? 2 : 1;
}

} // namespace xpu_lite::cpu::amx
