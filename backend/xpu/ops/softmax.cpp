#include "backend/xpu/ops/softmax.h"

#include <string>

#include "backend/xpu/kernels/softmax_args.h"
#include "backend/xpu/ops/rows_grid.h"
#include "backend/xpu/ops/scratch_memory.h"

namespace xpu_lite::xpu {

namespace {

// Rows that are shorter are walked fast enough in blocks of columns.
constexpr int64_t kSoftmaxStreamBytes = 256;
// Columns of one task: their pairs of numbers stay in a near cache.
constexpr int64_t kSoftmaxColumns = 2048;
constexpr int64_t kSoftmaxRows = 64;
// What a second walk still finds in a cache of the core.
constexpr int64_t kSoftmaxCachedBytes = 512 << 10;

int64_t softmax_parts(int64_t a, int64_t b) { return (a + b - 1) / b; }

// As in ops/reduce.cpp: for devices whose caches look ahead along addresses.
bool softmax_suits_streams(const Limits& device, DType type, const SoftmaxArgs& a) {
  const int64_t element = static_cast<int64_t>(size_of(type));
  return device.is_cpu && a.inner * element >= kSoftmaxStreamBytes && a.length >= 8;
}

void softmax_streams(Stream& stream, const std::string& kernel, DType type, SoftmaxArgs a) {
  const int device = stream.device();
  const Limits& l = limits(device);
  const int64_t element = static_cast<int64_t>(size_of(type));
  const int64_t wanted = static_cast<int64_t>(l.compute_units) * 4;
  a.block = std::min(a.inner, kSoftmaxColumns);
  const int64_t tasks = a.outer * softmax_parts(a.inner, a.block);
  a.splits = 1, a.rows = a.length, a.stage = SoftmaxStage::Whole;
  const bool cached = a.length * a.block * element <= kSoftmaxCachedBytes;
  if (tasks < wanted || !cached) {
    a.splits = std::clamp<int64_t>(softmax_parts(wanted, tasks), 1,
                                   std::max<int64_t>(1, a.length / kSoftmaxRows));
    a.rows = softmax_parts(a.length, a.splits);
    a.splits = softmax_parts(a.length, a.rows);
    a.stage = a.splits > 1 ? SoftmaxStage::Partial : SoftmaxStage::Whole;
  }
  const size_t number = type == DType::F64 ? 8 : 4;
  const ScratchMemory memory(stream,
                             2 * number * static_cast<size_t>(a.splits * a.outer * a.inner));
  a.partial = memory.data();
  const Grid grid = sub_group_grid(device, tasks * a.splits);
  launch(stream, kernel, grid, a);
  if (a.stage == SoftmaxStage::Whole) return;
  a.stage = SoftmaxStage::Finish;
  launch(stream, kernel, sub_group_grid(device, column_blocks(device, a.outer * a.inner)), a);
  a.stage = SoftmaxStage::Apply;
  launch(stream, kernel, grid, a);
}

void submit_softmax(Stream& stream, const char* name, DType type, const SoftmaxArgs& a) {
  if (a.outer * a.length * a.inner == 0) return;
  const bool rows = a.inner == 1;
  if (!rows && softmax_suits_streams(limits(stream.device()), type, a))
    return softmax_streams(stream, std::string(name) + "_streams_" + suffix(type), type, a);
  const int64_t tasks = rows ? a.outer : a.outer * column_blocks(stream.device(), a.inner);
  launch(stream, std::string(name) + (rows ? "_rows_" : "_cols_") + suffix(type),
         sub_group_grid(stream.device(), tasks), a);
}

SoftmaxArgs softmax_arguments(bool log, SoftmaxShape s, const void* in, const void* grad,
                              void* out) {
  SoftmaxArgs a{};
  a.in = in, a.grad = grad, a.out = out;
  a.outer = s.outer, a.length = s.length, a.inner = s.inner, a.log = log;
  return a;
}

} // namespace

void softmax(Stream& stream, DType type, bool log, SoftmaxShape s, const void* in, void* out) {
  submit_softmax(stream, "softmax", type, softmax_arguments(log, s, in, nullptr, out));
}

void softmax_backward(Stream& stream, DType type, bool log, SoftmaxShape s, const void* grad,
                      const void* output, void* grad_in) {
  submit_softmax(stream, "softmax_backward", type,
                 softmax_arguments(log, s, output, grad, grad_in));
}

} // namespace xpu_lite::xpu
