// Winograd's convolution: the choice, and the blocks of tiles.

#include "backend/cpu/conv/winograd.h"

#include <cstdlib>
#include <string>

#include "backend/cpu/conv/winograd_kernels.h"
#include "backend/cpu/gemm/kernels.h"
#include "backend/cpu/gemm/partition.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/scratch.h"
#include "backend/runtime/cpu_features.h"
#include "backend/runtime/error.h"
#include "backend/runtime/options.h"

namespace xpu_lite::cpu::conv {
namespace {

constexpr int64_t kBlockTiles = 40;   // their points stay near, the GEMM's tiles are full
constexpr int64_t kMostChannels = 1024; // a thread's memory: 36 * 40 * 1040 floats, twice

constexpr int64_t tiles_of(int64_t pixels) {
  return (pixels + kWinogradTile - 1) / kWinogradTile;
}

int64_t all_tiles(const Convolution& c) {
  return c.batch * tiles_of(c.out_height) * tiles_of(c.out_width);
}

bool is_enabled() {
  static const bool enabled = [] {
    options(); // an unknown variable is reported first
    const char* text = std::getenv("XPU_LITE_WINOGRAD");
    const std::string value = text ? text : "";
    if (!value.empty() && value != "auto" && value != "off") {
      throw ValueError(message("XPU_LITE_WINOGRAD='", value,
                               "' is not a valid value; allowed: auto, off"));
    }
    return value != "off";
  }();
  return enabled;
}

bool is_fitting(const Window& w) {
  return w.size == 3 && w.stride == 1 && w.dilation == 1 && w.pad >= 0;
}

// An odd number of cache lines, so that the rows of a block spread over the cache's sets.
constexpr int64_t pitch(int64_t channels) { return ((channels + 15) / 16 | 1) * 16; }

} // namespace

bool winograd_serves(const Convolution& c) {
  const gemm::Epilogue& e = c.epilogue;
  return isa() >= Isa::Avx512 && c.dtype == DType::Float && c.output_dtype == DType::Float &&
      (c.output_layout == Layout::ChannelsLast || !e.add.data) &&
      is_fitting(c.vertical) && is_fitting(c.horizontal) && c.channels > 0 &&
      c.channels % 16 == 0 && c.out_channels % 16 == 0 && c.channels <= kMostChannels &&
      c.out_channels <= kMostChannels && (!e.bias.data || e.bias.dtype == DType::Float) &&
      (!e.add.data || e.add.dtype == DType::Float) && !e.mul.data && e.scale == 1 &&
      e.beta == 1 &&
      (e.activation == gemm::Activation::None || e.activation == gemm::Activation::ReLU);
}

bool prefers_winograd(const Convolution& c, bool filter_changes) {
  // Few channels: the sums around the products cost as much as they save. Few tiles: four
  // times as much of the filter is read for them. A filter that changes is transformed anew.
  const int64_t tiles = all_tiles(c), least = filter_changes ? 256 : 48;
  const int64_t covered = tiles * kWinogradTile * kWinogradTile;
  return c.channels >= 64 && c.out_channels >= 64 && tiles >= least &&
      10 * c.batch * c.out_height * c.out_width >= 7 * covered && winograd_serves(c) &&
      is_enabled() && std::string(gemm::chosen_implementation(c.dtype, kBlockTiles)) == "avx512";
}

size_t winograd_packed_bytes(const Filter& f) {
  return kWinogradPoints * gemm::packed_bytes(DType::Float, f.out_channels, f.channels);
}

void winograd_pack(const Filter& f, void* out) {
  if (isa() < Isa::Avx512 || f.dtype != DType::Float || f.data_dtype != DType::Float ||
      f.height != 3 || f.width != 3) {
    throw ValueError("conv::winograd_pack: filters are 3x3 and float32, for AVX-512");
  }
  const int64_t panel = f.channels * gemm::kPanel, panels = gemm::panels_of(f.out_channels);
  parallel_for(0, panels, 1, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) {
      avx512::winograd_filter(f, p, static_cast<float*>(out) + p * panel, panels * panel);
    }
  });
}

void winograd_convolution(const Convolution& c) {
  if (!winograd_serves(c)) throw ValueError("winograd_convolution: not served");
  const int64_t tiles = all_tiles(c);
  if (tiles <= 0 || c.out_channels <= 0) return;
  const size_t weight = gemm::packed_bytes(DType::Float, c.out_channels, c.channels);
  // An even number of blocks, of nearly equal size: known from the shape alone.
  const int64_t blocks = tiles < 16 ? 1 : ((tiles + kBlockTiles - 1) / kBlockTiles + 1) / 2 * 2;
  const int64_t lda = pitch(c.channels), ldc = pitch(c.out_channels);
  parallel_for(0, blocks, 1, [&](int64_t first, int64_t last) {
    thread_local Scratch inputs, sums;
    for (int64_t b = first; b < last; ++b) {
      const gemm::Range range = gemm::part(tiles, blocks, b);
      const int64_t count = range.size();
      const size_t points = static_cast<size_t>(kWinogradPoints * count) * sizeof(float);
      float* a = inputs.get<float>(points * static_cast<size_t>(lda));
      float* m = sums.get<float>(points * static_cast<size_t>(ldc));
      WinogradBlock block{&c, tiles_of(c.out_height), tiles_of(c.out_width), range.begin, count,
                          a, lda};
      avx512::winograd_input(block);
      for (int64_t p = 0; p < kWinogradPoints; ++p) {
        gemm::gemm_with("avx512", {DType::Float, count, c.out_channels, c.channels,
                    a + p * count * lda, lda,
                    static_cast<const char*>(c.packed) + static_cast<size_t>(p) * weight,
                    m + p * count * ldc, ldc, DType::Float});
      }
      block.data = m, block.ld = ldc;
      avx512::winograd_output(block);
    }
  });
}

} // namespace xpu_lite::cpu::conv
