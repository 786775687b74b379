#include "backend/cpu/kernels/dropout.h"

#include "backend/cpu/kernels/random_tile.h"

namespace xpu_lite::cpu::XPU_LITE_LEVEL {

// A dropped element is multiplied by zero, not set to it: NaN and infinity in the
// input stay visible, as they do on the CPU.
static void scale_tile(void* out, const void* in, const uint8_t* mask, RandomType type,
                       int64_t at, int64_t m, double scale) {
  if (type == RandomType::Double) {
    const double* from = static_cast<const double*>(in) + at;
    double* to = static_cast<double*>(out) + at;
    for (int64_t i = 0; i < m; ++i) to[i] = from[i] * (static_cast<double>(mask[i]) * scale);
    return;
  }
  const float factor = static_cast<float>(scale);
  if (type == RandomType::Float) {
    const float* from = static_cast<const float*>(in) + at;
    float* to = static_cast<float*>(out) + at;
    for (int64_t i = 0; i < m; ++i) to[i] = from[i] * (static_cast<float>(mask[i]) * factor);
    return;
  }
  alignas(64) float values[kTile];
  load_floats(in, type, at, m, values);
  for (int64_t i = 0; i < m; ++i) values[i] *= static_cast<float>(mask[i]) * factor;
  store_floats(values, out, type, at, m);
}

static void forward(void* out, uint8_t* mask, const void* in, RandomType type, int64_t n,
                    PhiloxStream stream, double keep, double scale) {
  const uint64_t threshold = static_cast<uint64_t>(__builtin_ceil(keep * 4294967296.0));
  const uint32_t last = static_cast<uint32_t>(threshold - 1);
  const uint8_t yes = threshold == 0 ? 0 : 1;
  for_tiles(n, kTile, stream, [=](const uint32_t* w, int64_t at, int64_t m) {
    for (int64_t i = 0; i < m; ++i) mask[at + i] = w[i] <= last ? yes : 0;
    scale_tile(out, in, mask + at, type, at, m, scale);
  });
}

static void scale_by_mask(void* out, const void* in, const uint8_t* mask, RandomType type,
                          int64_t n, double scale) {
  const int64_t tiles = (n + kTile - 1) / kTile;
  parallel_for(0, tiles, 16, [=](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) {
      const int64_t at = t * kTile;
      scale_tile(out, in, mask + at, type, at, n - at < kTile ? n - at : kTile, scale);
    }
  });
}

XPU_LITE_REGISTER_KERNEL(dropout_forward, forward);
XPU_LITE_REGISTER_KERNEL(masked_scale, scale_by_mask);

} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
