#include "backend/cpu/upsample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "backend/cpu/parallel.h"

namespace xpu_lite::cpu {
namespace {

// As torch: floor of a float product.
int64_t nearest_source(int64_t i, float scale, int64_t size) {
  return std::min(static_cast<int64_t>(std::floor(static_cast<float>(i) * scale)), size - 1);
}

template <class T>
void spread_row(const T* from, const std::vector<int64_t>& columns, T* to) {
  const int64_t n = static_cast<int64_t>(columns.size());
  for (int64_t x = 0; x < n; ++x) to[x] = from[columns[static_cast<size_t>(x)]];
}

template <class T>
void double_row(const T* from, int64_t n, T* to) {
  for (int64_t x = 0; x < n; ++x) to[2 * x] = to[2 * x + 1] = from[x];
}

} // namespace

void upsample_nearest(const NearestUpsample& u) {
  std::vector<int64_t> columns(static_cast<size_t>(u.out_width));
  bool doubles = u.out_width == 2 * u.width;
  for (int64_t x = 0; x < u.out_width; ++x) {
    columns[static_cast<size_t>(x)] = nearest_source(x, u.column_scale, u.width);
    doubles = doubles && columns[static_cast<size_t>(x)] == x / 2;
  }
  const int64_t size = u.pixel_bytes, row_bytes = u.out_width * size;
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, row_bytes));
  parallel_for(0, u.planes * u.out_height, grain, [&](int64_t first, int64_t last) {
    int64_t before = -1; // the input row of the row before
    for (int64_t row = first; row < last; ++row) {
      const int64_t source = row / u.out_height * u.height +
          nearest_source(row % u.out_height, u.row_scale, u.height);
      const char* from = static_cast<const char*>(u.input) + source * u.width * size;
      char* to = static_cast<char*>(u.output) + row * row_bytes;
      if (source == before) {
        std::memcpy(to, to - row_bytes, static_cast<size_t>(row_bytes));
      } else if (size == 4) {
        const auto* a = reinterpret_cast<const uint32_t*>(from);
        auto* b = reinterpret_cast<uint32_t*>(to);
        doubles ? double_row(a, u.width, b) : spread_row(a, columns, b);
      } else if (size == 2) {
        const auto* a = reinterpret_cast<const uint16_t*>(from);
        auto* b = reinterpret_cast<uint16_t*>(to);
        doubles ? double_row(a, u.width, b) : spread_row(a, columns, b);
      } else {
        for (const int64_t x : columns) {
          std::memcpy(to, from + x * size, static_cast<size_t>(size));
          to += size;
        }
      }
      before = source;
    }
  });
}

} // namespace xpu_lite::cpu
