#pragma once

// Which configuration the calling thread has loaded. While one is loaded the system
// saves 8 KiB more at each switch of the thread, so it is given back when the thread
// ends, or when asked.

#include "backend/cpu/amx/tile_config.h"

namespace xpu_lite::cpu::amx {

TileState& thread_tiles();          // released by the thread's end
void release_tiles();               // of the calling thread
void release_tiles_of_pool();       // of the calling thread's OpenMP pool, and its own

} // namespace xpu_lite::cpu::amx
