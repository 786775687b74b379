#include "backend/xpu/ops/elementwise_copy.h"

#include <cstdio>
#include <cstdlib>

#include "backend/xpu/kernels/copy_args.h"
#include "backend/xpu/launch.h"
#include "backend/xpu/ops/elementwise_rows.h"
#include "backend/xpu/ops/elementwise_shape.h"
#include "backend/xpu/ops/rows_grid.h"
#include "backend/xpu/ops/scratch_memory.h"

namespace xpu_lite::xpu {
namespace {

// Types that have a cast to each other.
bool is_common(DType t) {
  return t <= DType::U8 || t == DType::B8;
}

bool casts_directly(DType from, DType to) {
  using D = DType;
  if (is_common(from) && is_common(to)) return true;
  const auto pair = [&](D a, D b) { return from == a && to == b; };
  const auto both = [&](D a, D b) { return pair(a, b) || pair(b, a); };
  return both(D::U16, D::I64) || both(D::U32, D::I64) || both(D::U64, D::I64) ||
      pair(D::U64, D::F32) || pair(D::U64, D::F64) || both(D::C64, D::F32) ||
      pair(D::C64, D::B8) || both(D::C128, D::F64) || pair(D::C128, D::B8) ||
      both(D::C64, D::C128) || both(D::C32, D::C64) || both(D::F8E4M3, D::F32) ||
      both(D::F8E5M2, D::F32);
}

// The type on the way between two that have no cast.
DType through(DType from, DType to) {
  using D = DType;
  switch (from) {
    case D::U16: case D::U32: return D::I64;
    case D::U64: return is_floating(to) || is_complex(to) ? D::F32 : D::I64;
    case D::C32: return D::C64;
    case D::C64: return to == D::C32 ? D::C64 : D::F32;
    case D::C128: return is_complex(to) ? D::C64 : D::F64;
    case D::F8E4M3: case D::F8E5M2: return D::F32;
    default: break;
  }
  switch (to) {
    case D::U16: case D::U32: case D::U64: return D::I64;
    case D::C32: return D::C64;
    case D::C64: return D::F32;
    case D::C128: return D::F64;
    default: return D::F32;
  }
}

const char* of_size(size_t item) {
  switch (item) {
    case 1: return "u8";
    case 2: return "u16";
    case 4: return "u32";
    case 8: return "u64";
    default: return "c128";
  }
}

// The widest unsigned type that both addresses and the length are a multiple of.
DType widest(const void* a, const void* b, size_t bytes) {
  const size_t bits = reinterpret_cast<size_t>(a) | reinterpret_cast<size_t>(b) | bytes;
  return bits % 8 == 0 ? DType::U64 : bits % 4 == 0 ? DType::U32
                                 : bits % 2 == 0    ? DType::U16
                                                    : DType::U8;
}

Elementwise pair_of(int dims, const int64_t* size, const EwOperand& to, const EwOperand& from) {
  Elementwise call;
  call.dims = dims;
  std::copy(size, size + dims, call.size.begin());
  call.operands = 2;
  call.operand[0] = to;
  call.operand[1] = from;
  EwOperand* both[] = {&call.operand[0], &call.operand[1]};
  coalesce(call.dims, call.size.data(), both, 2);
  return call;
}

void copy_strided(Stream& stream, const Elementwise& call) {
  const EwOperand &to = call.operand[0], &from = call.operand[1];
  CopyArgs args;
  const int inner = std::min(call.dims, kCopyDims);
  const size_t item = size_of(to.dtype);
  args.dense = 1;
  int64_t items = 1;
  int dims = 0;
  for (; dims < inner && items * call.size[dims] < (int64_t{1} << 31); ++dims) {
    args.to_stride[dims] = to.stride[dims];
    args.from_stride[dims] = from.stride[dims];
    args.dim[dims] = divider(static_cast<uint32_t>(call.size[dims]));
    if (to.stride[dims] != items * static_cast<int64_t>(item)) args.dense = 0;
    items *= call.size[dims];
  }
  args.dims = static_cast<uint32_t>(dims);
  args.items = static_cast<uint32_t>(items);
  const Limits& limit = limits(stream.device());
  const size_t group = std::min<size_t>(256, limit.max_group_size);
  char kernel[32];
  std::snprintf(kernel, sizeof kernel, "copy_strided_%zu", item);
  // The dimensions left over, on the host.
  const int64_t outer = count(call.dims - dims, call.size.data() + dims);
  for (int64_t i = 0; i < outer; ++i) {
    int64_t rest = i;
    args.to = to.ptr;
    args.from = from.ptr;
    for (int d = dims; d < call.dims; ++d) {
      args.to += rest % call.size[d] * to.stride[d];
      args.from += rest % call.size[d] * from.stride[d];
      rest /= call.size[d];
    }
    launch(stream, kernel, {(static_cast<size_t>(items) + group - 1) / group, group}, args);
  }
}

// The dimension in which `from` is contiguous, when a transposition by tiles pays.
int transposed(const Elementwise& call) {
  const EwOperand &to = call.operand[0], &from = call.operand[1];
  const int64_t item = static_cast<int64_t>(size_of(to.dtype));
  if (call.dims < 2 || call.dims > kTransposeOuterDims + 2 || item > 8) return 0;
  if (to.stride[0] != item || from.stride[0] == 0 || call.size[0] < 8) return 0;
  for (int d = 1; d < call.dims; ++d)
    if (from.stride[d] == item && call.size[d] >= 8) return d;
  return 0;
}

bool copy_transposed(Stream& stream, const Elementwise& call) {
  const int along = transposed(call);
  if (along == 0) return false;
  const EwOperand &to = call.operand[0], &from = call.operand[1];
  TransposeArgs args;
  args.to = to.ptr;
  args.from = from.ptr;
  args.to_row = to.stride[along];
  args.from_column = from.stride[0];
  const int64_t rows = call.size[along], columns = call.size[0];
  const int64_t tiles[] = {(rows + kTransposeTile - 1) / kTransposeTile,
                           (columns + kTransposeTile - 1) / kTransposeTile};
  int64_t groups = tiles[0] * tiles[1];
  args.dims = 0;
  for (int d = 1; d < call.dims; ++d) {
    if (d == along) continue;
    args.to_stride[args.dims] = to.stride[d];
    args.from_stride[args.dims] = from.stride[d];
    args.dim[args.dims++] = divider(static_cast<uint32_t>(call.size[d]));
    groups *= call.size[d];
  }
  if (groups >= (int64_t{1} << 31) || rows >= (int64_t{1} << 31) ||
      columns >= (int64_t{1} << 31)) {
    return false;
  }
  args.rows = static_cast<uint32_t>(rows);
  args.columns = static_cast<uint32_t>(columns);
  args.row_tiles = divider(static_cast<uint32_t>(tiles[0]));
  args.column_tiles = divider(static_cast<uint32_t>(tiles[1]));
  char kernel[32];
  std::snprintf(kernel, sizeof kernel, "copy_transpose_%zu", size_of(to.dtype));
  launch(stream, kernel, {static_cast<size_t>(groups), kTransposeTile}, args);
  return true;
}

// Elements of one task of copy_rows: enough to hide its start.
constexpr int64_t kRowBlock = 4096;

// Rows by sub-groups, where the device is a CPU and the shape has a place in the arguments.
bool copy_by_rows(Stream& stream, const Elementwise& call) {
  const EwOperand &to = call.operand[0], &from = call.operand[1];
  const int64_t item = static_cast<int64_t>(size_of(to.dtype));
  constexpr int64_t kMostStep = 1 << 24; // times a sub-group's lanes, in 32 bits
  if (!limits(stream.device()).is_cpu || call.dims == 0 || call.dims > kCopyDims + 1 ||
      item > 8 || call.size[0] < 16)
    return false;
  RowCopyArgs args;
  args.to = to.ptr, args.from = from.ptr;
  const int64_t steps[] = {to.stride[0] / item, from.stride[0] / item};
  for (int64_t step : steps)
    if (std::abs(step) > kMostStep) return false;
  args.to_step = static_cast<int32_t>(steps[0]), args.from_step = static_cast<int32_t>(steps[1]);
  args.row = call.size[0], args.block = std::min(args.row, kRowBlock);
  args.tasks = (args.row + args.block - 1) / args.block;
  if (args.tasks >= (int64_t{1} << 31)) return false;
  args.blocks = divider(static_cast<uint32_t>(args.tasks));
  args.dims = static_cast<uint32_t>(call.dims - 1);
  for (int d = 1; d < call.dims; ++d) {
    args.to_stride[d - 1] = to.stride[d], args.from_stride[d - 1] = from.stride[d];
    if (call.size[d] >= (int64_t{1} << 31)) return false;
    args.dim[d - 1] = divider(static_cast<uint32_t>(call.size[d]));
    args.tasks *= call.size[d];
    if (args.tasks >= (int64_t{1} << 31)) return false;
  }
  char kernel[32];
  std::snprintf(kernel, sizeof kernel, "copy_rows_%lld", static_cast<long long>(item));
  launch(stream, kernel, sub_group_grid(stream.device(), args.tasks), args);
  return true;
}

void copy_same(Stream& stream, Elementwise& call) {
  EwOperand &to = call.operand[0], &from = call.operand[1];
  const size_t item = size_of(to.dtype);
  const bool rows = is_row(call.dims, to, true) && is_row(call.dims, from, false);
  if (!rows || short_rows(call.dims, call.size.data())) {
    if (!copy_transposed(stream, call) && !copy_by_rows(stream, call))
      copy_strided(stream, call);
    return;
  }
  DType type = item == 1 ? DType::U8
      : item == 2        ? DType::U16
      : item == 4        ? DType::U32
      : item == 8        ? DType::U64
                         : DType::C128;
  if (call.dims == 1 && from.stride[0] != 0) {
    const size_t bytes = static_cast<size_t>(call.size[0]) * item;
    type = widest(to.ptr, from.ptr, bytes);
    call.size[0] = static_cast<int64_t>(bytes / size_of(type));
    to.stride[0] = from.stride[0] = static_cast<int64_t>(size_of(type));
  }
  to.dtype = from.dtype = type;
  char kernel[32];
  std::snprintf(kernel, sizeof kernel, "ew_copy_%s", of_size(size_of(type)));
  run_rows(stream, kernel, call);
}

EwOperand packed(Stream& stream, const Elementwise& call, const EwOperand& like, DType dtype,
                 bool whole, ScratchMemory& memory) {
  EwOperand result;
  result.dtype = dtype;
  const int64_t n = pack(call.dims, call.size.data(), like, whole, size_of(dtype),
                         result.stride.data());
  memory = ScratchMemory(stream, static_cast<size_t>(n) * size_of(dtype));
  result.ptr = memory.data();
  return result;
}

} // namespace

void copy_elements(Stream& stream, int dims, const int64_t* size, const EwOperand& to,
                   const EwOperand& from) {
  if (count(dims, size) == 0) return;
  Elementwise call = pair_of(dims, size, to, from);
  if (to.dtype == from.dtype) {
    copy_same(stream, call);
    return;
  }
  const auto copy = [&](const EwOperand& target, const EwOperand& source) {
    copy_elements(stream, call.dims, call.size.data(), target, source);
  };
  ScratchMemory memory;
  if (!casts_directly(from.dtype, to.dtype)) {
    const EwOperand middle = packed(stream, call, call.operand[1],
                                    through(from.dtype, to.dtype), false, memory);
    copy(middle, call.operand[1]);
    copy(call.operand[0], middle);
    return;
  }
  const bool whole = short_rows(call.dims, call.size.data());
  if (whole || !is_row(call.dims, call.operand[1], false)) {
    const EwOperand source = packed(stream, call, call.operand[1], from.dtype, whole, memory);
    if (!whole || source.stride != call.operand[1].stride) {
      // As a contiguous tensor of its own type; the next call casts it.
      bool same = true;
      for (int d = 0; d < call.dims; ++d) same = same && source.stride[d] == call.operand[1].stride[d];
      if (!same) {
        copy(source, call.operand[1]);
        copy(call.operand[0], source);
        return;
      }
    }
  }
  if (whole || !is_row(call.dims, call.operand[0], true)) {
    const EwOperand target = packed(stream, call, call.operand[0], to.dtype, true, memory);
    copy(target, call.operand[1]);
    copy(call.operand[0], target);
    return;
  }
  char kernel[48];
  std::snprintf(kernel, sizeof kernel, "ew_cast_%s_%s", suffix(from.dtype), suffix(to.dtype));
  run_rows(stream, kernel, call);
}

} // namespace xpu_lite::xpu
