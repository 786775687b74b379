// The packed form of a filter: the GEMM's, of a weight whose k runs over the filter's
// rows, then its columns, then the channels; or columns, rows, channels, where there are
// few of these.

#include <cstring>
#include <vector>

#include "backend/cpu/conv/pack_taps.h"
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

// Registers at a time, where one of the dimensions is dense: with channels last that is the
// outputs or the channels of one tap, which is packed as a weight of its own.
bool pack_panels(const Filter& f, int64_t padded, char* out) {
  const bool by_tap = f.strides[0] == 1 || f.strides[1] == 1;
  const int64_t taps = f.height * f.width;
  if (isa() < Isa::Avx2 || f.dtype == DType::Half || f.data_dtype == DType::Half ||
      (!by_tap && !taps_are_dense(f))) {
    return false;
  }
  const bool wide = isa() >= Isa::Avx512;
  const bool by_column = interleaves_rows(f.dtype, f.channels, f.height, f.width);
  std::vector<int64_t> order(static_cast<size_t>(taps)); // of taps in memory
  for (int64_t i = 0; i < taps; ++i) {
    const int64_t t = !by_tap && f.strides[3] < 0 ? taps - 1 - i : i;
    order[static_cast<size_t>(i)] = by_column ? t % f.width * f.height + t / f.width : t;
  }
  const int64_t size = dtype_size(f.dtype), tap_bytes = padded * gemm::kPanel * size;
  const int64_t panels = gemm::panels_of(f.out_channels);
  const int64_t k = taps * padded, panel_bytes = gemm::panel_k(f.dtype, k) * gemm::kPanel * size;
  const int64_t grain = std::max<int64_t>(1, (1 << 17) / std::max<int64_t>(1, panel_bytes));
  parallel_for(0, panels, grain, [&](int64_t first, int64_t last) {
    for (int64_t panel = first; panel < last; ++panel) {
      char* to = out + panel * panel_bytes;
      if ((panel + 1) * gemm::kPanel > f.out_channels || padded != f.channels ||
          k * gemm::kPanel * size != panel_bytes) {
        std::memset(to, 0, static_cast<size_t>(panel_bytes));
      }
      if (!by_tap) {
        const TapPanel task{&f, panel, padded, order.data()};
        wide ? avx512::pack_taps(task, to) : avx2::pack_taps(task, to);
        continue;
      }
      for (int64_t t = 0; t < taps; ++t) {
        const int64_t at = t / f.width * f.strides[2] + t % f.width * f.strides[3];
        const gemm::Weight tap{f.dtype, f.out_channels, f.channels,
                               static_cast<const char*>(f.data) + at * dtype_size(f.data_dtype),
                               f.data_dtype, f.strides[0], f.strides[1]};
        char* place = to + order[static_cast<size_t>(t)] * tap_bytes;
        wide ? gemm::avx512::pack_panel(tap, panel, place) : gemm::avx2::pack_panel(tap, panel, place);
      }
    }
  });
  return true;
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
  if (pack_panels(f, padded, static_cast<char*>(out))) return;
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
