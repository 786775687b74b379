#include "backend/xpu/ops/elementwise_rows.h"

#include <algorithm>
#include <cstring>

#include "backend/xpu/launch.h"
#include "backend/xpu/ops/elementwise_shape.h"

namespace xpu_lite::xpu {
namespace {

constexpr int64_t kMaxGroups = int64_t{1} << 30;

size_t group_size(const Limits& limits, int64_t row) {
  const int64_t most = std::min<int64_t>(limits.is_cpu ? 1024 : 256, limits.max_group_size);
  const int64_t parts = (row + most - 1) / most;
  const int64_t part = (row + parts - 1) / parts;
  return std::min(most, (part + 31) / 32 * 32);
}

int64_t inner_stride(const Elementwise& call, int k) {
  return call.dims == 0 ? 0 : call.operand[k].stride[0];
}

void launch_rows(Stream& stream, std::string_view kernel, const Elementwise& call, EwArgs& args,
                 int64_t row, int dims) {
  const Limits& limit = limits(stream.device());
  const size_t items = group_size(limit, row);
  const int64_t chunks = (row + items - 1) / items;
  args.chunks = divider(static_cast<uint32_t>(chunks));
  args.dims = static_cast<uint32_t>(dims);
  args.flat = dims == 0;
  int64_t rows = 1;
  for (int d = 0; d < dims; ++d) rows *= args.dim[d].size;
  for (int k = 1; k < call.operands; ++k) args.flat = args.flat && args.mode[k] == kMoves;
  launch(stream, kernel, {static_cast<size_t>(rows * chunks), items}, args);
}

void move(EwArgs& args, int k, int64_t bytes) {
  if (args.mode[k] == kConstant) return;
  args.ptr[k] += bytes;
  if (args.mode[k] == kMoves) args.base[k] += bytes;
}

// Outer dimensions that the arguments have no place for, or that make too many
// groups, are walked here.
void walk_outer(Stream& stream, std::string_view kernel, const Elementwise& call, EwArgs args,
                int64_t row, int d) {
  int64_t groups = (row + 255) / 256;
  int fits = 0;
  while (fits < std::min(d, kEwOuterDims) && groups * call.size[fits + 1] < kMaxGroups) {
    groups *= call.size[fits + 1];
    ++fits;
  }
  if (d <= fits) {
    for (int i = 0; i < d; ++i) args.dim[i] = divider(static_cast<uint32_t>(call.size[i + 1]));
    launch_rows(stream, kernel, call, args, row, std::max(d, 0));
    return;
  }
  for (int64_t i = 0; i < call.size[d]; ++i) {
    walk_outer(stream, kernel, call, args, row, d - 1);
    for (int k = 0; k < call.operands; ++k) move(args, k, call.operand[k].stride[d]);
  }
}

} // namespace

bool is_row(int dims, const EwOperand& operand, bool output) {
  if (operand.constant || dims == 0) return true;
  const int64_t stride = operand.stride[0];
  return stride == static_cast<int64_t>(size_of(operand.dtype)) || (stride == 0 && !output);
}

bool short_rows(int dims, const int64_t* size) {
  // Below this a row does not fill the vectors of a work-group; above this many such
  // rows it pays to write broadcast operands out first.
  constexpr int64_t kShortRow = 32, kManyRows = 256;
  return dims > 1 && size[0] < kShortRow && count(dims - 1, size + 1) > kManyRows;
}

void run_rows(Stream& stream, std::string_view kernel, const Elementwise& call) {
  EwArgs args;
  args.zero = 0;
  std::memcpy(args.param, call.param, sizeof args.param);
  const int outer = std::min(std::max(call.dims - 1, 0), kEwOuterDims);
  for (int k = 0; k < call.operands; ++k) {
    const EwOperand& o = call.operand[k];
    args.ptr[k] = o.ptr;
    args.mode[k] = o.constant ? kConstant : inner_stride(call, k) != 0 ? kMoves : kFixed;
    args.constant[k] = o.value;
    for (int d = 0; d < outer; ++d) args.stride[k][d] = o.constant ? 0 : o.stride[d + 1];
  }
  // The widest elements reach furthest.
  const char* safe = args.ptr[0];
  size_t widest = 0;
  for (int k = 0; k < call.operands; ++k) {
    const size_t item = size_of(call.operand[k].dtype);
    if (args.mode[k] != kMoves || item <= widest) continue;
    widest = item;
    safe = args.ptr[k];
  }
  for (int k = 0; k < call.operands; ++k) {
    const bool moves = args.mode[k] == kMoves;
    args.base[k] = moves ? args.ptr[k] : safe;
    args.mask[k] = moves ? -1 : 0;
  }
  args.items = call.dims == 0 ? 1 : static_cast<uint64_t>(call.size[0]);
  walk_outer(stream, kernel, call, args, static_cast<int64_t>(args.items), call.dims - 1);
}

} // namespace xpu_lite::xpu
