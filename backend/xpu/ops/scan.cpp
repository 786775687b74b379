#include "backend/xpu/ops/scan.h"

#include <string>

#include "backend/xpu/kernels/scan_args.h"
#include "backend/xpu/ops/rows_grid.h"

namespace xpu_lite::xpu {

namespace {

// Shorter parts than this cost more than they gain.
constexpr int64_t kPart = 8192;
// A part adds up the totals of all before it.
constexpr int64_t kMostParts = 128;

} // namespace

void scan(Stream& stream, const char* kernel, DType type, ScanShape s, const void* in, void* out,
          void* index, int32_t flag, size_t total_bytes, Scratch scratch, void* context) {
  if (s.outer * s.length * s.inner == 0) return;
  const int device = stream.device();
  const Limits& l = limits(device);
  const bool rows = s.inner == 1;
  ScanArgs a{};
  a.in = in, a.out = out, a.index = static_cast<int64_t*>(index), a.flag = flag;
  a.outer = s.outer, a.length = s.length, a.inner = s.inner;
  a.splits = 1, a.chunk = s.length;
  const std::string name = std::string(kernel) + (rows ? "_rows_" : "_cols_") + suffix(type);
  if (!rows) {
    return launch(stream, name,
                  sub_group_grid(device, s.outer * column_blocks(device, s.inner)), a);
  }
  // Two passes over the elements pay where several sub-groups share the work.
  const int64_t wanted = static_cast<int64_t>(l.compute_units) * (l.is_cpu ? 1 : 8);
  if (wanted / s.outer >= 2 && s.length >= 2 * kPart) {
    const int64_t parts = std::min({wanted / s.outer, s.length / kPart, kMostParts});
    a.chunk = (s.length + parts - 1) / parts;
    a.splits = (s.length + a.chunk - 1) / a.chunk;
  }
  const Grid grid = sub_group_grid(device, s.outer * a.splits);
  if (a.splits > 1) {
    a.totals = scratch(context, static_cast<size_t>(s.outer * a.splits) * total_bytes);
    a.stage = ScanStage::Totals;
    launch(stream, name, grid, a);
    a.stage = ScanStage::Parts;
  }
  launch(stream, name, grid, a);
}

} // namespace xpu_lite::xpu
