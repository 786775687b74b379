#include "backend/cpu/amx/tile_state.h"

#include <omp.h>

#include "backend/cpu/amx/tile_gemm.h"

namespace xpu_lite::cpu::amx {
namespace {

struct ThreadTiles {
  TileState state;
  // Does nothing unless the instructions' kernel configured it.
  ~ThreadTiles() { tile_release_amx(state); }
};

} // namespace

TileState& thread_tiles() {
  thread_local ThreadTiles tiles;
  return tiles.state;
}

void release_tiles() { tile_release_amx(thread_tiles()); }

void release_tiles_of_pool() {
  release_tiles();
  if (omp_in_parallel()) return;
#pragma omp parallel
  release_tiles();
}

} // namespace xpu_lite::cpu::amx
