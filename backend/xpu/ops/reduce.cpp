#include "backend/xpu/ops/reduce.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "backend/xpu/kernels/reduce_args.h"
#include "backend/xpu/ops/rows_grid.h"

namespace xpu_lite::xpu {

namespace {

struct Geometry {
  std::vector<ReduceDim> kept, reduced; // fastest first, merged
};

bool joins(const ReduceDim& fast, const ReduceDim& slow) {
  return fast.in_stride * fast.size == slow.in_stride &&
         fast.out_stride * fast.size == slow.out_stride &&
         fast.out2_stride * fast.size == slow.out2_stride;
}

void merge(std::vector<ReduceDim>& dims) {
  std::stable_sort(dims.begin(), dims.end(), [](const ReduceDim& a, const ReduceDim& b) {
    return std::llabs(a.in_stride) < std::llabs(b.in_stride);
  });
  std::vector<ReduceDim> merged;
  for (const ReduceDim& d : dims) {
    if (d.size == 1) continue;
    if (!merged.empty() && joins(merged.back(), d)) merged.back().size *= d.size;
    else merged.push_back(d);
  }
  if (merged.empty()) merged.push_back({1, 1, 1, 1, false});
  dims = std::move(merged);
}

Geometry geometry_of(const Reduction& r) {
  Geometry g;
  for (const ReduceDim& d : r.dims) (d.reduced ? g.reduced : g.kept).push_back(d);
  merge(g.kept);
  merge(g.reduced);
  return g;
}

int64_t product(const std::vector<ReduceDim>& dims, size_t from = 0) {
  int64_t n = 1;
  for (size_t d = from; d < dims.size(); ++d) n *= dims[d].size;
  return n;
}

int64_t chunks_of(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Neighbours that a lane of the columns' kernel works on, at most (kernels/reduce.h).
constexpr int64_t kColumns = 8;

// At least this many elements for each sub-group, or splitting costs more than it gains.
constexpr int64_t kSplitElements = 4096;

// Columns of one task of streams: their partial results stay in a near cache.
constexpr int64_t kStreamColumns = 4096;
// Fewer rows than this at a time leave a stream no time to get under way.
constexpr int64_t kStreamRows = 64;
// Rows apart from each other that are shorter than this are walked fast enough in blocks of
// columns; adjacent ones are if a block is as long as they are.
constexpr int64_t kApartBytes = 1024, kAdjacentBytes = 256;
// Adjacent rows up to this are one stream. A running value takes in no more of them.
constexpr int64_t kSingleBytes = 4096, kSingleRows = 512;

// Caches that look ahead along addresses are what CPU devices have; a GPU would miss
// the parallelism. Kernels of integers have no streams: those of bytes would take the
// device's compiler many seconds. For adjacent short rows they pay where what a column has
// come to is one number, and little is left to do for an element.
bool suits_streams(const Limits& device, const Reduction& r, const ReduceArgs& a, int64_t row,
                   bool adjacent) {
  if (!device.is_cpu || r.type > DType::BF16 || r.kernel == "any") return false;
  if (a.in_stride[0] != 1 || a.outer != 1 || a.inner < kStreamRows) return false;
  if (!adjacent) return row >= kApartBytes;
  const bool simple = r.partial_bytes <= 8 && size_of(r.type) >= 4;
  return row >= (simple ? kAdjacentBytes : kSingleBytes);
}

} // namespace

bool can_reduce(const Reduction& r) {
  const Geometry g = geometry_of(r);
  return g.kept.size() <= kReduceDims && g.reduced.size() <= kReduceDims + 1;
}

void reduce(Stream& stream, const Reduction& r, Scratch scratch, void* context) {
  const Geometry g = geometry_of(r);
  const Limits& device = limits(stream.device());
  const int64_t width = static_cast<int64_t>(device.sub_group_size);

  ReduceArgs a{};
  a.in = r.in, a.out = r.out, a.out2 = r.out2;
  a.outputs = product(g.kept);
  if (a.outputs == 0) return;
  a.dims = static_cast<int32_t>(g.kept.size());
  for (int d = 0; d < kReduceDims; ++d) a.size[d] = a.outer_size[d] = 1;
  for (int d = 0; d < a.dims; ++d) {
    a.size[d] = g.kept[d].size, a.in_stride[d] = g.kept[d].in_stride;
    a.out_stride[d] = g.kept[d].out_stride, a.out2_stride[d] = g.kept[d].out2_stride;
  }
  a.inner = g.reduced[0].size, a.inner_stride = g.reduced[0].in_stride;
  a.outer = product(g.reduced, 1);
  a.outer_dims = static_cast<int32_t>(g.reduced.size()) - 1;
  for (int d = 0; d < a.outer_dims; ++d) {
    a.outer_size[d] = g.reduced[d + 1].size, a.outer_stride[d] = g.reduced[d + 1].in_stride;
  }
  if (a.inner * a.outer == 0) a.inner = 0, a.outer = 1, a.outer_dims = 0; // only init()
  a.flag = r.flag, a.wide_out = r.wide_out;
  a.p_f = static_cast<float>(r.number), a.p_d = std::bit_cast<uint64_t>(r.number);

  // A lane per output where neighbours in memory are different outputs, and where
  // rows are too short to fill a sub-group.
  const bool short_rows = a.outer * a.inner <= width && a.outputs >= 2 * width;
  const bool columns = short_rows || (g.kept[0].size > 1 && g.kept[0].in_stride != 0 &&
                                      (std::llabs(g.kept[0].in_stride) < std::llabs(a.inner_stride) ||
                                       a.inner <= 4));
  const int64_t row = a.size[0] * static_cast<int64_t>(size_of(r.type));
  const bool adjacent = a.inner_stride == a.size[0];
  const bool streams = columns && !short_rows && suits_streams(device, r, a, row, adjacent);
  a.singly = streams && adjacent && row < kSingleBytes;
  if (streams) a.stream = std::min(a.size[0], kStreamColumns);
  const int64_t block = streams ? a.stream : kColumns * width;
  const int64_t tasks =
      columns ? a.outputs / a.size[0] * chunks_of(a.size[0], block) : a.outputs;
  // A GPU needs several sub-groups per vector engine to hide its latency.
  const int64_t wanted = static_cast<int64_t>(device.compute_units) * (device.is_cpu ? 4 : 8);
  const int64_t per_task = a.inner * a.outer * (columns ? block : 1);
  int64_t splits = std::clamp<int64_t>(wanted / tasks, 1,
                                       std::max<int64_t>(1, per_task / kSplitElements));
  if (streams) splits = std::min(splits, a.inner / kStreamRows);
  if (a.singly) splits = std::max(splits, chunks_of(a.inner, kSingleRows));
  a.outer_splits = std::min(splits, a.outer);
  if (a.outer_splits < 1) a.outer_splits = 1;
  a.inner_splits = std::clamp<int64_t>(splits / a.outer_splits, 1, std::max<int64_t>(1, a.inner));
  a.outer_chunk = chunks_of(a.outer, a.outer_splits);
  a.inner_chunk = chunks_of(a.inner, a.inner_splits);
  if (a.outer_chunk > 0) a.outer_splits = chunks_of(a.outer, a.outer_chunk);
  if (a.inner_chunk > 0) a.inner_splits = chunks_of(a.inner, a.inner_chunk);
  splits = a.outer_splits * a.inner_splits;

  if (splits > 1 || streams) {
    a.stage = ReduceStage::Partial;
    a.partial = scratch(context, static_cast<size_t>(splits * a.outputs) * r.partial_bytes);
  }
  const std::string type = suffix(r.type);
  const std::string by_columns = r.kernel + "_cols_" + type;
  launch(stream, columns ? by_columns : r.kernel + "_rows_" + type,
         sub_group_grid(stream.device(), tasks * splits), a);
  if (splits > 1 || streams) {
    a.stage = ReduceStage::Finish;
    launch(stream, by_columns, sub_group_grid(stream.device(), chunks_of(a.outputs, width)), a);
  }
}

} // namespace xpu_lite::xpu
