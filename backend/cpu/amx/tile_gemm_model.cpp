// tile_gemm.h by the plain model of the tiles: the reference.

#include "backend/cpu/amx/tile_gemm_kernel.h"
#include "backend/cpu/amx/tiles_model.h"

namespace xpu_lite::cpu::amx {

void tile_gemm_model(TileProduct which, const TileGemm& g, TileState& state) {
  TileState own;  // the tiles live in the call, and so does what is configured
  run<ModelTiles>(which, g, own);
  state.loads += own.loads;
}

} // namespace xpu_lite::cpu::amx
