#pragma once

// Which implementation of the tiles runs a product: an ordered list, best first.

#include "backend/cpu/amx/tile_gemm.h"
#include "backend/runtime/cpu_features.h"
#include "backend/runtime/tile_permission.h"

namespace xpu_lite::cpu::amx {

// What the processor and the system allow; tests invent it.
struct TileMachine {
  TileSupport tiles;
  Isa isa;
};
TileMachine this_machine();

struct TileImplementation {
  const char* name;  // "amx", "avx512_bf16_vnni", "model"
  TileGemmFn gemm;
  bool (*runs)(TileProduct, const TileMachine&);
};

constexpr int kTileImplementations = 3;
const TileImplementation& tile_implementation(int index);
const TileImplementation& choose_tiles(TileProduct, const TileMachine& = this_machine());

// The chosen implementation's product, on the calling thread.
void tile_gemm(TileProduct, const TileGemm&);

const char* tile_product_name(TileProduct);

} // namespace xpu_lite::cpu::amx
