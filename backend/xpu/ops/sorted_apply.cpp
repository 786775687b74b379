#include "backend/xpu/ops/sorted_apply.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "backend/runtime/error.h"
#include "backend/xpu/launch.h"
#include "backend/xpu/ops/index.h"

namespace xpu_lite::xpu {
namespace {

constexpr int64_t kManyColumns = 32;
constexpr size_t kAlign = 64;

size_t padded(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

// One past the greatest offset that a position can have.
int64_t span(const IndexArgs& a) {
  int64_t most = 0;
  for (int d = 0; d < a.dims; ++d) most += (a.sizes[d] - 1) * std::abs(a.dst_strides[d]);
  for (int k = 0; k < a.indices; ++k) most += (a.index[k].size - 1) * a.index[k].step;
  return most + 1;
}

// Column dimensions of the walk stay in it, the others become the loop.
CombineColumnsArgs columns_of(IndexArgs walk) {
  coalesce(walk);
  CombineColumnsArgs args{};
  args.walk = walk;
  args.walk.dims = 0;
  args.walk.numel = args.loop = 1;
  for (int d = 0; d < walk.dims; ++d) {
    if (walk.dst_strides[d] != 0) {
      const int c = args.walk.dims++;
      args.walk.sizes[c] = walk.sizes[d];
      args.walk.dst_strides[c] = walk.dst_strides[d];
      args.walk.src_strides[c] = walk.src_strides[d];
      args.walk.index_strides[c] = walk.index_strides[d];
      args.walk.numel *= walk.sizes[d];
    } else {
      const int l = args.loop_dims++;
      args.loop_sizes[l] = walk.sizes[d];
      args.loop_src[l] = walk.src_strides[d];
      args.loop_index[l] = walk.index_strides[d];
      args.loop *= walk.sizes[d];
    }
  }
  return args;
}

} // namespace

bool suits_columns(int device, DType type, const IndexArgs& walk) {
  if (type != DType::F32 && type != DType::F64 && type != DType::I64 && type != DType::I32)
    return false;
  const CombineColumnsArgs args = columns_of(walk);
  const Limits& limit = limits(device);
  // Lanes of a core, or enough work-items to hide the latency of a GPU.
  const auto busy = static_cast<int64_t>(limit.compute_units * (limit.is_cpu ? 64 : 512));
  return args.walk.numel >= busy || args.loop <= 16;
}

void combine_columns(Stream& stream, DType type, Combine combine, IndexArgs walk) {
  CombineColumnsArgs args = columns_of(walk);
  if (args.walk.numel * args.loop == 0) return;
  args.combine = combine;
  args.walk.error = kernel_error(stream);
  launch(stream, std::string("combine_columns_") + suffix(type),
         grid_for(stream.device(), static_cast<size_t>(args.walk.numel), 64), args);
}

size_t ApplyPlan::bytes() const {
  const auto n = static_cast<size_t>(count);
  return 2 * padded(n * (wide ? 8 : 4)) + 2 * padded(n * 4);
}

ApplyPlan plan_apply(IndexArgs walk) {
  coalesce(walk);
  ApplyPlan plan{};
  IndexArgs& at = plan.positions;
  SortedApplyArgs& apply = plan.apply;
  at = walk;
  at.dims = 0;
  apply.dst = walk.dst;
  apply.src = walk.src;
  apply.columns = plan.count = 1;
  for (int d = 0; d < walk.dims; ++d) {
    // Where neither the index nor the place moves, values meet at the same place.
    if (walk.index_strides[d] == 0 && walk.dst_strides[d] != 0) {
      const int c = apply.column_dims++;
      apply.column_sizes[c] = walk.sizes[d];
      apply.column_dst[c] = walk.dst_strides[d];
      apply.column_src[c] = walk.src_strides[d];
      apply.columns *= walk.sizes[d];
    } else {
      const int p = at.dims++;
      at.sizes[p] = apply.position_sizes[p] = walk.sizes[d];
      at.dst_strides[p] = walk.dst_strides[d];
      at.src_strides[p] = 0;
      at.index_strides[p] = walk.index_strides[d];
      apply.position_src[p] = walk.src_strides[d];
      plan.count *= walk.sizes[d];
    }
  }
  apply.position_dims = at.dims;
  apply.positions = at.numel = plan.count;
  if (plan.count > 0xfffffffe)
    throw Error(message("[", walk.op, "] ", plan.count,
                        " indices: the kernels sort fewer than 2^32 - 1"));
  apply.rows = apply.columns >= kManyColumns;
  plan.wide = walk.numel > 0 && span(at) >= 0xffffffff;
  apply.wide = plan.wide;
  return plan;
}

void apply_sorted(Stream& stream, DType type, Combine combine, const ApplyPlan& plan,
                  void* memory) {
  if (plan.count * plan.apply.columns == 0) return;
  const auto n = static_cast<size_t>(plan.count);
  const size_t key_bytes = padded(n * (plan.wide ? 8 : 4));
  char* base = static_cast<char*>(memory);
  char* places = base + 2 * key_bytes;
  const SortBuffers buffers{
      {base, base + key_bytes},
      {reinterpret_cast<uint32_t*>(places), reinterpret_cast<uint32_t*>(places + padded(n * 4))}};
  IndexKeysArgs keys{plan.positions, buffers.keys[0]};
  keys.walk.error = kernel_error(stream);
  launch(stream, plan.wide ? "index_keys_u64" : "index_keys_u32", grid_for(stream.device(), n),
         keys);
  const int half = sort_pairs(stream, plan.wide, 1, plan.count, buffers);
  SortedApplyArgs args = plan.apply;
  args.combine = combine;
  args.keys = buffers.keys[half];
  args.places = buffers.places[half];
  size_t group = std::min<size_t>(256, limits(stream.device()).max_group_size);
  size_t items = n * static_cast<size_t>(args.columns);
  if (args.rows) {
    while (group > 32 && static_cast<int64_t>(group) / 2 >= args.columns) group /= 2;
    items = n * group;
  }
  launch(stream, std::string("sorted_apply_") + suffix(type),
         grid_for(stream.device(), items, group), args);
}

} // namespace xpu_lite::xpu
