#include "backend/xpu/ops/triangle.h"

#include <algorithm>
#include <string>

#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

void triangle(Stream& stream, size_t element, const TriangleArgs& args) {
  if (args.batch * args.rows * args.columns == 0) return;
  size_t group = std::min<size_t>(256, limits(stream.device()).max_group_size);
  while (group > 32 && static_cast<int64_t>(group) / 2 >= args.columns) group /= 2;
  launch(stream, "triangle_" + std::to_string(element),
         grid_for(stream.device(), static_cast<size_t>(args.batch * args.rows) * group, group),
         args);
}

void triangle_indices(Stream& stream, bool wide, const TriangleIndicesArgs& args) {
  if (args.count == 0) return;
  launch(stream, wide ? "triangle_indices_i64" : "triangle_indices_i32",
         grid_for(stream.device(), static_cast<size_t>(args.count)), args);
}

} // namespace xpu_lite::xpu
