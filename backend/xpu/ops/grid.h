#pragma once

// Grids of one work-item for each element: on CPU devices straight-line kernels run
// faster than loops over the grid.

#include <algorithm>
#include <cstdint>

#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

inline Grid grid_of_each(int device, int64_t items) {
  const Limits& l = limits(device);
  const size_t size = std::min<size_t>(l.max_group_size, l.is_cpu ? 1024 : 256);
  return {(static_cast<size_t>(items) + size - 1) / size, size};
}

} // namespace xpu_lite::xpu
