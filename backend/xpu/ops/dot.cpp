#include "backend/xpu/ops/dot.h"

#include <string>

#include "backend/xpu/kernels/dot_args.h"
#include "backend/xpu/ops/rows_grid.h"

namespace xpu_lite::xpu {

void dot(Stream& stream, DType type, const Vectors& v, bool conjugate, void* out,
         Scratch scratch, void* context) {
  const int device = stream.device();
  const Limits& l = limits(device);
  const int64_t wanted = static_cast<int64_t>(l.compute_units) * (l.is_cpu ? 4 : 8);
  DotArgs a{};
  a.a = v.a, a.b = v.b, a.out = out;
  a.n = v.n, a.a_stride = v.a_stride, a.b_stride = v.b_stride;
  a.conjugate = conjugate;
  a.splits = std::clamp<int64_t>(v.n / 4096, 1, wanted);
  a.chunk = (v.n + a.splits - 1) / a.splits;
  a.partial = scratch(context, static_cast<size_t>(a.splits) * 16);
  const std::string name = std::string("dot_") + suffix(type);
  launch(stream, name, sub_group_grid(device, a.splits), a);
  a.finish = 1;
  launch(stream, name, sub_group_grid(device, 1), a);
}

} // namespace xpu_lite::xpu
