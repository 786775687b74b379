#pragma once

// Grids of kernels that give each task to a sub-group (kernels/lanes.h).

#include <algorithm>

#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

// Groups of one or a few sub-groups, and no more of them than keep the device busy:
// the kernels deal the tasks out evenly. On a CPU device a group runs on one core,
// so one of several sub-groups would keep work from the others.
inline Grid sub_group_grid(int device, int64_t tasks) {
  const Limits& l = limits(device);
  const size_t group =
      std::min<size_t>(l.max_group_size, l.is_cpu ? l.sub_group_size
                                                  : std::max<size_t>(64, l.sub_group_size));
  const int64_t per_group = std::max<int64_t>(1, static_cast<int64_t>(group / l.sub_group_size));
  const int64_t most = static_cast<int64_t>(l.compute_units) * (l.is_cpu ? 32 : 64);
  return {static_cast<size_t>(std::clamp<int64_t>((tasks + per_group - 1) / per_group, 1, most)),
          group};
}

// Tasks of one block of neighbouring columns each.
inline int64_t column_blocks(int device, int64_t columns) {
  const int64_t width = static_cast<int64_t>(limits(device).sub_group_size);
  return (columns + width - 1) / width;
}

} // namespace xpu_lite::xpu
