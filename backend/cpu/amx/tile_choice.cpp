#include "backend/cpu/amx/tile_choice.h"

#include "backend/cpu/amx/tile_state.h"

namespace xpu_lite::cpu::amx {
namespace {

bool instructions(TileProduct product, const TileMachine& machine) {
  const TileSupport& tiles = machine.tiles;
  if (!tiles.usable() || machine.isa < Isa::Amx) return false;
  if (product == TileProduct::bf16) return tiles.bf16;
  if (product == TileProduct::fp16) return tiles.fp16;
  return tiles.int8;
}

bool vectors(TileProduct, const TileMachine& machine) { return machine.isa >= Isa::Avx512Bf16; }

bool always(TileProduct, const TileMachine&) { return true; }

constexpr TileImplementation kList[kTileImplementations] = {
    {"amx", tile_gemm_amx, instructions},
    {"avx512_bf16_vnni", tile_gemm_avx512, vectors},
    {"model", tile_gemm_model, always},
};

} // namespace

TileMachine this_machine() { return {tile_support(), isa()}; }

const TileImplementation& tile_implementation(int index) { return kList[index]; }

const TileImplementation& choose_tiles(TileProduct product, const TileMachine& machine) {
  int i = 0;
  while (!kList[i].runs(product, machine)) ++i;
  return kList[i];
}

void tile_gemm(TileProduct product, const TileGemm& g) {
  static const auto chosen = [] {
    struct Chosen {
      TileGemmFn gemm[kTileProducts];
    } c;
    for (int p = 0; p < kTileProducts; ++p) {
      c.gemm[p] = choose_tiles(static_cast<TileProduct>(p)).gemm;
    }
    return c;
  }();
  chosen.gemm[static_cast<int>(product)](product, g, thread_tiles());
}

const char* tile_product_name(TileProduct product) {
  constexpr const char* kNames[] = {"bf16", "fp16", "s8s8", "s8u8", "u8s8", "u8u8"};
  return kNames[static_cast<int>(product)];
}

} // namespace xpu_lite::cpu::amx
