#pragma once

// The tile interface (see tiles_model.h), by the instructions themselves. Written as
// assembly, so that a file needs no compiler flag and tile numbers can be template
// arguments. Freestanding; nothing here may run before the system has granted the
// tiles (backend/runtime/tile_permission.h).

#include "backend/cpu/amx/tile_config.h"

namespace xpu_lite::cpu::amx {
namespace {

#define XPU_LITE_TILE_FN inline __attribute__((always_inline))
#define XPU_LITE_TILE_PRODUCT(NAME)                                                         \
  template <int kC, int kA, int kB>                                                         \
  XPU_LITE_TILE_FN void NAME() {                                                            \
    __asm__ volatile(#NAME " %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kC), "i"(kA), "i"(kB));    \
  }
// For assemblers that do not know the instruction yet: VEX.128.PP.0F38.W0 OPCODE.
#define XPU_LITE_TILE_ENCODED(NAME, PP, OPCODE)                                             \
  template <int kC, int kA, int kB>                                                         \
  XPU_LITE_TILE_FN void NAME() {                                                            \
    __asm__ volatile(".byte 0xc4, 0xe2, %c0, %c1, %c2" ::"i"(((~kB & 15) << 3) | PP),       \
                     "i"(OPCODE), "i"(0xc0 | (kC << 3) | kA));                              \
  }

class AmxTiles {
 public:
  explicit AmxTiles(TileState& state) : state_(state) {}

  XPU_LITE_TILE_FN void configure(const TileConfig& config) {
    if (state_.configured && same(config, state_.loaded)) return;
    __asm__ volatile("ldtilecfg %0" ::"m"(config));
    state_.loaded = config;
    state_.configured = true;
    ++state_.loads;
  }
  XPU_LITE_TILE_FN void release() {
    if (!state_.configured) return;
    __asm__ volatile("tilerelease");
    state_.configured = false;
    ++state_.releases;
  }
  template <int kTile>
  XPU_LITE_TILE_FN void zero() {
    __asm__ volatile("tilezero %%tmm%c0" ::"i"(kTile));
  }
  template <int kTile>
  XPU_LITE_TILE_FN void load(const void* p, int64_t stride) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(stride), "i"(kTile)
                     : "memory");
  }
  template <int kTile>
  XPU_LITE_TILE_FN void store(void* p, int64_t stride) {
    __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(stride), "i"(kTile)
                     : "memory");
  }
  XPU_LITE_TILE_PRODUCT(tdpbssd)
  XPU_LITE_TILE_PRODUCT(tdpbsud)
  XPU_LITE_TILE_PRODUCT(tdpbusd)
  XPU_LITE_TILE_PRODUCT(tdpbuud)
  XPU_LITE_TILE_PRODUCT(tdpbf16ps)
  XPU_LITE_TILE_ENCODED(tdpfp16ps, 3, 0x5c)
  XPU_LITE_TILE_ENCODED(tcmmimfp16ps, 1, 0x6c)
  XPU_LITE_TILE_ENCODED(tcmmrlfp16ps, 0, 0x6c)

 private:
  TileState& state_;
};

#undef XPU_LITE_TILE_PRODUCT
#undef XPU_LITE_TILE_ENCODED
#undef XPU_LITE_TILE_FN

} // namespace
} // namespace xpu_lite::cpu::amx
