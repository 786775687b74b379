// int8_gemm.h on tiles: 2x2 of them, 32 rows by 32 columns. Compiled for AVX-512; the
// tiles' instructions are in backend/cpu/amx.

#define XPU_LITE_LEVEL int8_level_amx
#include "backend/cpu/amx/tile_gemm.h"
#include "backend/cpu/amx/tile_state.h"
#include "backend/cpu/gemm/int8_finish.h"

namespace xpu_lite::cpu::gemm {
namespace XPU_LITE_LEVEL {
namespace {

// Several taps are of whole tiles of k: behind the last group of one comes the next one's.
void int8_tile(const Int8Tile& t) {
  const auto product = t.a_signed ? amx::TileProduct::s8s8 : amx::TileProduct::u8s8;
  const int8_t* panel = t.panel;
  for (int tap = 0; tap < t.taps; ++tap, panel += t.k * kInt8Panel) {
    const char* a = static_cast<const char*>(t.a) + (t.offsets ? t.offsets[tap] : 0);
    amx::tile_gemm_amx(product,
                       {t.rows, kInt8Panel, t.k, a, t.lda, panel, kInt8Panel * kInt8Group,
                        16 * kInt8Group, t.sums, kInt8Panel * 4, tap > 0},
                       amx::thread_tiles());
  }
}

} // namespace
} // namespace XPU_LITE_LEVEL

const Int8Kernels int8_amx = {"amx", Isa::Amx, 32, true, XPU_LITE_LEVEL::int8_tile,
                              XPU_LITE_LEVEL::int8_finish, XPU_LITE_LEVEL::int8_quantise};

} // namespace xpu_lite::cpu::gemm
