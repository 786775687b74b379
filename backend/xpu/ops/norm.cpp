#include "backend/xpu/ops/norm.h"

#include <string>

#include "backend/xpu/ops/rows_grid.h"

namespace xpu_lite::xpu {

namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

const char* accumulation(DType type) { return type == DType::F64 ? "f64" : "f32"; }

std::string name(const char* kernel, DType type) { return std::string(kernel) + "_" + suffix(type); }

// Elements of one task where it is rows of channels: enough to hide its start.
constexpr int64_t kTaskElements = 4096;

void submit_elements(Stream& stream, const char* kernel, DType type, ChannelNormArgs& a) {
  if (a.outer * a.channels * a.inner == 0) return;
  a.chunk = std::max<int64_t>(1, kTaskElements / a.channels);
  const int64_t tasks = a.inner == 1 ? ceil_div(a.outer, a.chunk) : a.outer * a.channels;
  launch(stream, name(kernel, type), sub_group_grid(stream.device(), tasks), a);
}

} // namespace

void row_norm(Stream& stream, DType type, const RowNormArgs& a) {
  if (a.rows == 0) return;
  launch(stream, name("row_norm", type), sub_group_grid(stream.device(), a.rows), a);
}

void row_norm_backward(Stream& stream, DType type, const RowNormArgs& a) {
  if (a.rows * a.length == 0) return;
  launch(stream, name("row_norm_backward", type), sub_group_grid(stream.device(), a.rows), a);
}

size_t plan_channel_sums(int device, DType type, ChannelSumArgs& a) {
  const Limits& l = limits(device);
  const int64_t wide = 4 * static_cast<int64_t>(l.sub_group_size); // kernels/channel_sums.cpp
  const int64_t tasks = a.inner == 1 ? ceil_div(a.channels, wide) : a.channels;
  const int64_t wanted = static_cast<int64_t>(l.compute_units) * (l.is_cpu ? 4 : 8);
  const int64_t least = a.inner == 1 ? 32 : ceil_div(2048, a.inner); // of one part
  a.splits = std::clamp<int64_t>(ceil_div(wanted, std::max<int64_t>(1, tasks)), 1,
                                 std::max<int64_t>(1, a.outer / least));
  a.chunk = std::max<int64_t>(1, ceil_div(a.outer, a.splits));
  a.splits = std::max<int64_t>(1, ceil_div(a.outer, a.chunk));
  return static_cast<size_t>(a.splits * 2 * a.channels) * (type == DType::F64 ? 8 : 4);
}

void channel_sums(Stream& stream, DType type, const ChannelSumArgs& a) {
  if (a.channels == 0) return;
  const int device = stream.device();
  const int64_t wide = 4 * static_cast<int64_t>(limits(device).sub_group_size);
  const int64_t tasks = a.splits * (a.inner == 1 ? ceil_div(a.channels, wide) : a.channels);
  launch(stream, name(a.inner == 1 ? "channel_sums_cols" : "channel_sums_rows", type),
         sub_group_grid(device, tasks), a);
  launch(stream, std::string("channel_sums_finish_") + accumulation(type),
         sub_group_grid(device, column_blocks(device, a.channels)), a);
}

void channel_statistics(Stream& stream, DType type, const ChannelStatArgs& a) {
  if (a.channels == 0) return;
  const int device = stream.device();
  launch(stream, std::string("channel_statistics_") + accumulation(type),
         sub_group_grid(device, column_blocks(device, a.channels)), a);
}

void channel_norm(Stream& stream, DType type, ChannelNormArgs a) {
  submit_elements(stream, "channel_norm", type, a);
}

void channel_norm_backward(Stream& stream, DType type, ChannelNormArgs a) {
  submit_elements(stream, "channel_norm_backward", type, a);
}

} // namespace xpu_lite::xpu
