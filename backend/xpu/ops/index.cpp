#include "backend/xpu/ops/index.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "backend/runtime/error.h"
#include "backend/xpu/launch.h"
#include "backend/xpu/ops/elementwise_copy.h"
#include "backend/xpu/ops/elementwise_shape.h"
#include "backend/xpu/ops/rows_grid.h"

namespace xpu_lite::xpu {
namespace {

constexpr int64_t kLongRow = 32; // shorter rows are walked element by element

bool mergeable(const IndexArgs& a, int d, int into) {
  const int64_t n = a.sizes[into];
  return a.dst_strides[d] == n * a.dst_strides[into] &&
         a.src_strides[d] == n * a.src_strides[into] &&
         (!a.indices || a.index_strides[d] == n * a.index_strides[into]);
}

void move_dim(IndexArgs& a, int from, int to) {
  a.sizes[to] = a.sizes[from];
  a.dst_strides[to] = a.dst_strides[from];
  a.src_strides[to] = a.src_strides[from];
  a.index_strides[to] = a.index_strides[from];
}

// Rows of small elements that no index cuts are moved in units of up to 16 bytes.
size_t widen(IndexArgs& a, size_t element) {
  const auto size = static_cast<int64_t>(element);
  if (a.dst_strides[0] != size || (a.indices && a.index_strides[0])) return element;
  if (!a.src || a.src_strides[0] != size) return element;
  uint64_t bits = reinterpret_cast<uint64_t>(a.dst) | reinterpret_cast<uint64_t>(a.src) |
                  static_cast<uint64_t>(a.sizes[0] * size);
  for (int d = 1; d < a.dims; ++d)
    bits |= static_cast<uint64_t>(a.dst_strides[d]) | static_cast<uint64_t>(a.src_strides[d]);
  for (int k = 0; k < a.indices; ++k) bits |= static_cast<uint64_t>(a.index[k].step);
  // Wider than 8 bytes is no gain: lanes are vectors already.
  const size_t unit = std::min<size_t>(8, bits & (~bits + 1));
  if (unit <= element) return element;
  a.sizes[0] = a.sizes[0] * size / static_cast<int64_t>(unit);
  a.numel = a.numel * size / static_cast<int64_t>(unit);
  a.dst_strides[0] = a.src_strides[0] = static_cast<int64_t>(unit);
  return unit;
}

constexpr std::string_view kGet[] = {"index_get_1", "index_get_2", "index_get_4", "index_get_8",
                                     "index_get_16"};
constexpr std::string_view kPut[] = {"index_put_1", "index_put_2", "index_put_4", "index_put_8",
                                     "index_put_16"};

constexpr std::string_view kFill[] = {"masked_fill_1", "masked_fill_2", "masked_fill_4",
                                      "masked_fill_8", "masked_fill_16"};

int log2_of(size_t element) {
  for (int i = 0; i < 5; ++i)
    if (element == size_t{1} << i) return i;
  throw Error(message("no kernel moves elements of ", element, " bytes"));
}

// The kernels of index_rows.cpp, or false.
bool start_rows(Stream& stream, bool put, size_t element, const IndexArgs& a) {
  const auto size = static_cast<int64_t>(element);
  const bool gather = a.index_strides[0] != 0;
  if (!a.rows || a.indices != 1 || !a.has_src || element > 8 || a.dims > kIndexOuterDims + 1 ||
      a.index[0].size == 0 || (put && gather))
    return false;
  if (a.dst_strides[0] != size || (a.src_strides[0] != size && !gather)) return false;
  const Limits& device = limits(stream.device());
  const int64_t most = std::min<int64_t>(device.is_cpu ? 1024 : 256, device.max_group_size);
  const int64_t chunks = (a.sizes[0] + most - 1) / most;
  const int64_t part = (a.sizes[0] + chunks - 1) / chunks;
  const int64_t group = std::min(most, (part + 31) / 32 * 32);
  const int64_t rows = a.numel / a.sizes[0];
  if (rows * chunks >= int64_t{1} << 31) return false;
  IndexRowsArgs r{};
  r.dst = a.dst, r.src = a.src, r.index = a.index[0].data;
  r.size = a.index[0].size, r.step = a.index[0].step;
  r.dims = static_cast<uint32_t>(a.dims - 1);
  for (int d = 1; d < a.dims; ++d) {
    r.dim[d - 1] = divider(static_cast<uint32_t>(a.sizes[d]));
    r.dst_stride[d - 1] = a.dst_strides[d], r.src_stride[d - 1] = a.src_strides[d];
    r.index_stride[d - 1] = a.index_strides[d];
  }
  r.src_inner = a.src_strides[0], r.index_inner = a.index_strides[0];
  r.items = static_cast<uint64_t>(a.sizes[0]);
  r.chunks = divider(static_cast<uint32_t>(chunks));
  r.wrap = a.wrap, r.narrow = a.narrow, r.error_dim = a.error_dim;
  r.fault = a.fault, r.error = a.error, r.op = a.op;
  const char* kernel = put ? "index_put_row_" : gather ? "index_gather_" : "index_get_row_";
  launch(stream, kernel + std::to_string(element),
         {static_cast<size_t>(rows * chunks), static_cast<size_t>(group)}, r);
  return true;
}

void start(Stream& stream, const std::string_view* names, size_t element, IndexArgs& a) {
  coalesce(a);
  if (a.numel == 0) return;
  if (names != kFill) element = widen(a, element);
  a.has_src = a.src != nullptr;
  if (!a.src) a.src = a.dst;
  a.rows = a.sizes[0] >= kLongRow;
  a.row_index = a.indices == 0 || a.index_strides[0] == 0;
  a.error = a.indices ? kernel_error(stream) : nullptr;
  if (names != kFill && start_rows(stream, names == kPut, element, a)) return;
  const int64_t pieces = (a.sizes[0] + kRowPiece - 1) / kRowPiece;
  const Grid grid = a.rows ? sub_group_grid(stream.device(), a.numel / a.sizes[0] * pieces)
                           : grid_for(stream.device(), static_cast<size_t>(a.numel));
  launch(stream, names[log2_of(element)], grid, a);
}

void copy_walk(Stream& stream, size_t element, const IndexArgs& a) {
  EwOperand to, from;
  to.ptr = a.dst, from.ptr = const_cast<char*>(a.src);
  constexpr DType kUnits[] = {DType::U8, DType::U16, DType::U32, DType::U64, DType::C128};
  to.dtype = from.dtype = kUnits[log2_of(element)];
  for (int d = 0; d < a.dims; ++d)
    to.stride[d] = a.dst_strides[d], from.stride[d] = a.src_strides[d];
  copy_elements(stream, a.dims, a.sizes, to, from);
}

} // namespace

void coalesce(IndexArgs& a) {
  int kept = 0;
  a.numel = 1;
  for (int d = 0; d < a.dims; ++d) {
    a.numel *= a.sizes[d];
    if (a.sizes[d] == 1) continue;
    if (kept && mergeable(a, d, kept - 1)) {
      a.sizes[kept - 1] *= a.sizes[d];
    } else {
      move_dim(a, d, kept++);
    }
  }
  if (!kept) {
    a.sizes[0] = 1;
    a.dst_strides[0] = a.src_strides[0] = a.index_strides[0] = 0;
    kept = 1;
  }
  a.dims = kept;
}

void index_get(Stream& stream, size_t element, IndexArgs args) {
  if (args.indices == 0 && args.src) return copy_walk(stream, element, args);
  start(stream, kGet, element, args);
}

void index_put(Stream& stream, size_t element, IndexArgs args) {
  start(stream, kPut, element, args);
}

void masked_fill(Stream& stream, size_t element, IndexArgs args) {
  start(stream, kFill, element, args);
}

} // namespace xpu_lite::xpu
