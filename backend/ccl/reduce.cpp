// Which kernel a reduction takes.

#include "backend/ccl/kernels/reduce.h"

#include <cstring>

#include "backend/ccl/kernels/tables.h"

namespace xpu_lite::ccl {

namespace {

// Nothing to calculate: one input, and no factor.
bool copies(const ReduceArgs& args, DataType type) {
  return args.n == 1 && type != DataType::Bool && args.kind != ReduceKind::PreMulSum &&
      !(args.kind == ReduceKind::Avg && args.ranks > 1);
}

void reduce_by_parts(ReduceArgs args, DataType type) {
  if (args.kind == ReduceKind::Product) return cpu::ccl_multiply_complex(args, type);
  args.count *= 2;
  if (type == DataType::ComplexHalf) return cpu::ccl_reduce_float16(args);
  if (type == DataType::ComplexFloat) return cpu::ccl_reduce_float32(args);
  cpu::ccl_reduce_float64(args);
}

} // namespace

void reduce_buffers(void* out, const void* const* ins, int n, size_t count, DataType type,
                    const Reduction& reduction, int ranks) {
  check_reduction(type, reduction);
  if (count == 0 || n <= 0) return;
  const ReduceArgs args{out, ins, n, count, reduction.kind, reduction.factor, ranks};
  if (copies(args, type)) {
    if (out != ins[0]) std::memcpy(out, ins[0], count * size_of(type));
    return;
  }
  switch (type) {
    case DataType::Opaque: return;
    case DataType::Bool: return cpu::ccl_reduce_bool(args);
    case DataType::Float32: return cpu::ccl_reduce_float32(args);
    case DataType::Float64: return cpu::ccl_reduce_float64(args);
    case DataType::BFloat16: return cpu::ccl_reduce_bfloat16(args);
    case DataType::Float16: return cpu::ccl_reduce_float16(args);
    case DataType::ComplexHalf:
    case DataType::ComplexFloat:
    case DataType::ComplexDouble: return reduce_by_parts(args, type);
    case DataType::Float8_e4m3fn:
    case DataType::Float8_e5m2:
    case DataType::Float8_e4m3fnuz:
    case DataType::Float8_e5m2fnuz:
    case DataType::Float8_e8m0fnu: return cpu::ccl_reduce_float8(args, type);
    default: return cpu::ccl_reduce_integer(args, type);
  }
}

void copy_cached(void* dst, const void* src, size_t bytes) {
  if (bytes > 0) cpu::ccl_copy_cached(dst, src, bytes);
}

void copy_streaming(void* dst, const void* src, size_t bytes) {
  if (bytes > 0) cpu::ccl_copy_streaming(dst, src, bytes);
}

} // namespace xpu_lite::ccl
