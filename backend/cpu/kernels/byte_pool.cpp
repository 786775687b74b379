#include "backend/cpu/kernels/byte_pool.h"

#include "backend/cpu/parallel.h"

namespace xpu_lite::cpu::XPU_LITE_LEVEL {

template <class T>
static void pool_row(const BytePool& p, int64_t row) {
  const int64_t image = row / p.out_height, channels = p.channels;
  const BytePool::Window &v = p.vertical, &h = p.horizontal;
  const int64_t top = row % p.out_height * v.stride - v.pad;
  const T* input = static_cast<const T*>(p.input) + image * p.height * p.width * channels;
  T* out = static_cast<T*>(p.output) + row * p.out_width * channels;
  for (int64_t x = 0; x < p.out_width; ++x, out += channels) {
    const int64_t left = x * h.stride - h.pad;
    bool first = true;
    for (int64_t i = 0; i < v.size; ++i) {
      const int64_t y = top + i * v.dilation;
      if (y < 0 || y >= p.height) continue;
      for (int64_t j = 0; j < h.size; ++j) {
        const int64_t column = left + j * h.dilation;
        if (column < 0 || column >= p.width) continue;
        const T* in = input + (y * p.width + column) * channels;
        if (first) {
          __builtin_memcpy(out, in, static_cast<size_t>(channels));
        } else {
          for (int64_t c = 0; c < channels; ++c) out[c] = in[c] > out[c] ? in[c] : out[c];
        }
        first = false;
      }
    }
  }
}

static void byte_pool(const BytePool& p) {
  const int64_t rows = p.batch * p.out_height;
  const int64_t work = p.out_width * p.channels * p.vertical.size * p.horizontal.size;
  parallel_for(0, rows, 1 + (1 << 15) / (work + 1), [&p](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      p.is_signed ? pool_row<int8_t>(p, row) : pool_row<uint8_t>(p, row);
    }
  });
}

XPU_LITE_REGISTER_KERNEL(byte_max_pool, byte_pool);

} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
