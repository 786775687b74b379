#include "backend/xpu/ops/softmax.h"

#include <string>

#include "backend/xpu/kernels/softmax_args.h"
#include "backend/xpu/ops/rows_grid.h"

namespace xpu_lite::xpu {

namespace {

void submit(Stream& stream, const char* name, DType type, const SoftmaxArgs& a) {
  if (a.outer * a.length * a.inner == 0) return;
  const bool rows = a.inner == 1;
  const int64_t tasks = rows ? a.outer : a.outer * column_blocks(stream.device(), a.inner);
  launch(stream, std::string(name) + (rows ? "_rows_" : "_cols_") + suffix(type),
         sub_group_grid(stream.device(), tasks), a);
}

} // namespace

void softmax(Stream& stream, DType type, bool log, SoftmaxShape s, const void* in, void* out) {
  submit(stream, "softmax", type, {in, nullptr, out, s.outer, s.length, s.inner, log});
}

void softmax_backward(Stream& stream, DType type, bool log, SoftmaxShape s, const void* grad,
                      const void* output, void* grad_in) {
  submit(stream, "softmax_backward", type,
         {output, grad, grad_in, s.outer, s.length, s.inner, log});
}

} // namespace xpu_lite::xpu
