#pragma once

// The 64 bytes that LDTILECFG reads, and the state that goes with them. Freestanding.

#include <cstdint>

namespace xpu_lite::cpu::amx {

constexpr int kTileRows = 16;      // most rows of a tile
constexpr int kTileRowBytes = 64;  // most bytes in a row

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t bytes_per_row[16] = {};
  uint8_t rows[16] = {};

  void set(int tile, int tile_rows, int row_bytes) {
    rows[tile] = static_cast<uint8_t>(tile_rows);
    bytes_per_row[tile] = static_cast<uint16_t>(row_bytes);
  }
};
static_assert(sizeof(TileConfig) == 64);

// What a thread has loaded. A load clears all tiles and costs as much as several
// products, so it is done only when the configuration differs from the last.
struct TileState {
  TileConfig loaded;
  bool configured = false;
  int64_t loads = 0;     // LDTILECFG executed
  int64_t releases = 0;  // TILERELEASE executed
};

typedef uint64_t __attribute__((may_alias)) Word;

inline __attribute__((always_inline)) bool same(const TileConfig& a, const TileConfig& b) {
  const auto* x = reinterpret_cast<const Word*>(&a);
  const auto* y = reinterpret_cast<const Word*>(&b);
  uint64_t diff = 0;
  for (int i = 0; i < 8; ++i) diff |= x[i] ^ y[i];
  return diff == 0;
}

} // namespace xpu_lite::cpu::amx
