// bfloat16 on tiles, 2x2 of them at a time: the instructions (backend/cpu/amx), and the
// model of them in plain C++, with which any processor can test what leads there.

#define XPU_LITE_LEVEL tiles
#include "backend/cpu/amx/tile_gemm.h"
#include "backend/cpu/amx/tile_state.h"
#include "backend/cpu/gemm/levels/finish.h"
#include "backend/cpu/gemm/levels/stage.h"

namespace xpu_lite::cpu::gemm::tiles {
namespace {

constexpr int kTileRows = 32;
// Fewer rows run at the speed of memory, for which avx512_bf16 asks ahead of time.
constexpr int kLeastRows = 8;

template <amx::TileGemmFn gemm>
void tile(const Tile& t) {
  gemm(amx::TileProduct::bf16,
       {t.rows, kPanel, t.k, t.a, t.lda * 2, t.panel, kPanel * 4, 16 * 4, t.sums, kPanel * 4,
        t.accumulate},
       amx::thread_tiles());
}

} // namespace

extern constexpr Kernels amx = {"amx", Isa::Amx, DType::BFloat16, DType::BFloat16, kTileRows,
                                kLeastRows, tile<amx::tile_gemm_amx>, stage, finish};
extern constexpr Kernels model = {"tile_model", Isa::Avx512Bf16, DType::BFloat16,
                                  DType::BFloat16, kTileRows, kLeastRows,
                                  tile<amx::tile_gemm_model>, stage, finish};

} // namespace xpu_lite::cpu::gemm::tiles
