#include "backend/xpu/ops/pool.h"

#include <limits>
#include <string>

#include "backend/xpu/device_pointer.h"
#include "backend/xpu/launch.h"
#include "backend/xpu/ops/grid.h"

namespace xpu_lite::xpu {

namespace {

struct Counts {
  int64_t in, out;
};

// The elements of both sides; sets `narrow`.
Counts count(PoolShape& shape) {
  Counts counts{shape.batch * shape.channels, shape.batch * shape.channels};
  constexpr int64_t kNarrow = int64_t{1} << 30;
  bool narrow = true;
  for (const PoolAxis& axis : shape.axes) {
    counts.in *= axis.in;
    counts.out *= axis.out;
    narrow &= (axis.in + 1) * (axis.out + 1) < kNarrow;
    narrow &= axis.kernel * axis.dilation + axis.padding + axis.in < kNarrow;
  }
  shape.narrow = narrow && counts.in < kNarrow && counts.out < kNarrow;
  if (shape.narrow && counts.in > 0 && counts.out > 0) shape.set_divisors();
  return counts;
}

std::string kernel(const char* what, bool adaptive, bool backward, DType type) {
  std::string name = adaptive ? "adaptive_" : "";
  name += what;
  name += backward ? "_backward_" : "_";
  return name + suffix(type);
}

} // namespace

void max_pool(Stream& stream, bool adaptive, bool backward, DType type, void* out,
              const void* in, int64_t* indices, PoolShape shape) {
  const Counts counts = count(shape);
  const int64_t items = backward ? counts.in : counts.out;
  if (items == 0) return;
  launch(stream, kernel("max_pool", adaptive, backward, type),
         grid_of_each(stream.device(), items),
         MaxPoolArgs{device_pointer(out), device_pointer(in), device_pointer(indices), items,
                     shape});
}

void avg_pool(Stream& stream, bool adaptive, bool backward, DType type, void* out,
              const void* in, PoolShape shape, int64_t divisor, bool count_padding) {
  const Counts counts = count(shape);
  const int64_t items = backward ? counts.in : counts.out;
  if (items == 0) return;
  launch(stream, kernel("avg_pool", adaptive, backward, type),
         grid_of_each(stream.device(), items),
         AvgPoolArgs{device_pointer(out), device_pointer(in), items, shape, divisor,
                     count_padding});
}

} // namespace xpu_lite::xpu
