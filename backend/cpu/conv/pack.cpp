// The packed form of a filter: the GEMM's, of a weight whose k runs over the filter's
// rows, then its columns, then the channels; or columns, rows, channels, where there are
// few of these.

#include <vector>

#include "backend/cpu/conv/plan.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/cpu/parallel.h"
#include "backend/runtime/error.h"

namespace xpu_lite::cpu::conv {
namespace {

template <class T>
void spread(const Filter& f, int64_t padded, T* out) {
  const int64_t pixels = f.height * f.width, row = pixels * padded;
  const bool by_column = interleaves_rows(f.dtype, f.channels, f.height, f.width);
  // Blocks of outputs, then channels: whichever of the two is denser in memory, the lines
  // that a block reads and writes stay in the cache.
  constexpr int64_t block = 16;
  const int64_t blocks = (f.out_channels + block - 1) / block;
  const int64_t grain = std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, block * row));
  parallel_for(0, blocks, grain, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const int64_t end = std::min(f.out_channels, (b + 1) * block);
      for (int64_t c = 0; c < padded; ++c) {
        for (int64_t o = b * block; o < end; ++o) {
          const T* from = static_cast<const T*>(f.data) + o * f.strides[0] + c * f.strides[1];
          T* to = out + o * row + c;
          for (int64_t i = 0; i < pixels; ++i) {
            const int64_t y = by_column ? i % f.height : i / f.width;
            const int64_t x = by_column ? i / f.height : i % f.width;
            to[i * padded] =
                c < f.channels ? from[y * f.strides[2] + x * f.strides[3]] : T{};
          }
        }
      }
    }
  });
}

} // namespace

size_t packed_bytes(const Filter& f) {
  const int64_t k = f.height * f.width * padded_channels(f.dtype, f.channels);
  return gemm::packed_bytes(f.dtype, f.out_channels, k);
}

void pack(const Filter& f, void* out) {
  if (!gemm::serves(f.dtype) || !gemm::serves(f.data_dtype)) {
    throw ValueError("conv::pack: filters are float32, bfloat16 or float16");
  }
  const int64_t padded = padded_channels(f.dtype, f.channels);
  const int64_t k = f.height * f.width * padded;
  const bool dense = !interleaves_rows(f.dtype, f.channels, f.height, f.width) &&
      padded == f.channels && f.strides[1] == 1 &&
      f.strides[3] == f.channels && f.strides[2] == f.width * f.channels;
  if (dense || f.height * f.width == 1) {
    const int64_t steps = f.height * f.width == 1 ? f.channels : k;
    gemm::pack({f.dtype, f.out_channels, steps, f.data, f.data_dtype, f.strides[0],
                dense ? 1 : f.strides[1]}, out);
    return;
  }
  const size_t bytes = static_cast<size_t>(f.out_channels * k * dtype_size(f.data_dtype));
  std::vector<char> dense_filter(bytes);
  if (dtype_size(f.data_dtype) == 4) {
    spread(f, padded, reinterpret_cast<float*>(dense_filter.data()));
  } else {
    spread(f, padded, reinterpret_cast<uint16_t*>(dense_filter.data()));
  }
  gemm::pack({f.dtype, f.out_channels, k, dense_filter.data(), f.data_dtype, k, 1}, out);
}

} // namespace xpu_lite::cpu::conv
