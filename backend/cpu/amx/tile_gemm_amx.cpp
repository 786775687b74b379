// tile_gemm.h by the AMX instructions.

#include "backend/cpu/amx/tile_gemm_kernel.h"
#include "backend/cpu/amx/tiles_amx.h"

namespace xpu_lite::cpu::amx {

void tile_gemm_amx(TileProduct which, const TileGemm& g, TileState& state) {
  run<AmxTiles>(which, g, state);
}

void tile_release_amx(TileState& state) { AmxTiles(state).release(); }

} // namespace xpu_lite::cpu::amx
