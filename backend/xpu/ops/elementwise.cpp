#include "backend/xpu/ops/elementwise.h"

#include <cstring>

#include "backend/xpu/ops/elementwise_copy.h"
#include "backend/xpu/ops/elementwise_name.h"
#include "backend/xpu/ops/elementwise_rows.h"
#include "backend/xpu/ops/elementwise_shape.h"
#include "backend/xpu/ops/scratch_memory.h"

namespace xpu_lite::xpu {
namespace {

EwOperand temporary(Stream& stream, const Elementwise& call, int k, bool whole,
                    ScratchMemory& memory) {
  EwOperand result;
  result.dtype = call.wanted[k];
  const size_t item = size_of(result.dtype);
  const int64_t n =
      pack(call.dims, call.size.data(), call.operand[k], whole, item, result.stride.data());
  memory = ScratchMemory(stream, static_cast<size_t>(n) * item);
  result.ptr = memory.data();
  return result;
}

void coalesce(Elementwise& call) {
  EwOperand* operands[kEwOperands];
  for (int k = 0; k < call.operands; ++k) operands[k] = &call.operand[k];
  xpu::coalesce(call.dims, call.size.data(), operands, call.operands);
}

} // namespace

void elementwise(Stream& stream, Elementwise& call) {
  if (count(call.dims, call.size.data()) == 0) return;
  const EwKernelName kernel(call.name, call.type);
  ScratchMemory memory[kEwOperands];
  coalesce(call);
  // The result first, if it cannot be written in place: the others are then packed
  // in the same order.
  const EwOperand output = call.operand[0];
  const int dims = call.dims;
  const auto size = call.size;
  const bool indirect = output.dtype != call.wanted[0] || !is_row(call.dims, call.operand[0], true);
  bool packed = indirect;
  if (indirect) call.operand[0] = temporary(stream, call, 0, true, memory[0]);
  const auto replace = [&](int k, bool whole) {
    ScratchMemory next;
    EwOperand copy = temporary(stream, call, k, whole, next);
    copy_elements(stream, call.dims, call.size.data(), copy, call.operand[k]);
    call.operand[k] = copy;
    memory[k] = std::move(next);
    packed = true;
  };
  for (int k = 1; k < call.operands; ++k) {
    if (call.operand[k].constant) continue;
    if (call.operand[k].dtype != call.wanted[k] || !is_row(call.dims, call.operand[k], false)) replace(k, false);
  }
  if (packed) coalesce(call);
  if (short_rows(call.dims, call.size.data())) {
    // All are written out, so that they become one row; unless the output is not.
    int64_t dense[kMaxDims];
    pack(call.dims, call.size.data(), call.operand[0], true, size_of(call.wanted[0]), dense);
    const auto is_dense = [&](int k) {
      const int64_t scale = size_of(call.wanted[k]), unit = size_of(call.wanted[0]);
      for (int d = 0; d < call.dims; ++d)
        if (call.operand[k].stride[d] * unit != dense[d] * scale) return false;
      return true;
    };
    EwOperand written = call.operand[0];
    const bool again = !is_dense(0);
    ScratchMemory result;
    if (again) call.operand[0] = temporary(stream, call, 0, true, result);
    for (int k = 1; k < call.operands; ++k)
      if (!call.operand[k].constant && !is_dense(k)) replace(k, true);
    const int short_dims = call.dims;
    const auto short_size = call.size;
    const EwOperand temporary_result = call.operand[0];
    coalesce(call);
    run_rows(stream, kernel, call);
    if (again)
      copy_elements(stream, short_dims, short_size.data(), written, temporary_result);
  } else {
    run_rows(stream, kernel, call);
  }
  if (indirect) {
    EwOperand result = output;
    result.ptr = memory[0].data();
    result.dtype = call.wanted[0];
    pack(dims, size.data(), output, true, size_of(result.dtype), result.stride.data());
    copy_elements(stream, dims, size.data(), output, result);
  }
}

EwValue encode(DType type, double real, double imaginary) {
  EwValue value{};
  const auto put = [&](auto v) { std::memcpy(&value, &v, sizeof v); };
  switch (type) {
    case DType::F32: case DType::F16: case DType::BF16: put(static_cast<float>(real)); break;
    case DType::F64: put(real); break;
    case DType::C64: case DType::C32: {
      const float parts[2] = {static_cast<float>(real), static_cast<float>(imaginary)};
      std::memcpy(&value, parts, sizeof parts);
      break;
    }
    case DType::C128: {
      const double parts[2] = {real, imaginary};
      std::memcpy(&value, parts, sizeof parts);
      break;
    }
    default: put(static_cast<int64_t>(real));
  }
  return value;
}

EwValue encode_integer(DType type, int64_t v) {
  if (is_floating(type) || is_complex(type)) return encode(type, static_cast<double>(v));
  EwValue value{};
  std::memcpy(&value, &v, sizeof v);
  return value;
}

} // namespace xpu_lite::xpu
