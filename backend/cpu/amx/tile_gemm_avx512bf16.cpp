// tile_gemm.h by AVX-512 BF16 and VNNI.

#include "backend/cpu/amx/tile_gemm_kernel.h"
#include "backend/cpu/amx/tiles_avx512.h"

namespace xpu_lite::cpu::amx {

void tile_gemm_avx512(TileProduct which, const TileGemm& g, TileState& state) {
  TileState own;  // the tiles live in the call, and so does what is configured
  run<Avx512Tiles>(which, g, own);
  state.loads += own.loads;
}

} // namespace xpu_lite::cpu::amx
