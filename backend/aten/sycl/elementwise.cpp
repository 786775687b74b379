#include "backend/aten/sycl/elementwise.h"

#include <ATen/core/Tensor.h>

#include "backend/aten/core/errors.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/kernel_library.h"
#include "backend/xpu/ops/elementwise_name.h"

namespace xpu_lite::aten::sycl {
namespace {

using xpu::DType;

// 16-bit floats that a CPU scalar is rounded to before it meets a tensor of them.
c10::Scalar rounded(const c10::Scalar& value, at::ScalarType type) {
  if (type != at::kHalf && type != at::kBFloat16) return value;
  const auto single = static_cast<float>(value.toDouble()); // what is too large is infinite
  return static_cast<double>(type == at::kHalf ? static_cast<float>(at::Half(single))
                                               : static_cast<float>(at::BFloat16(single)));
}

DType result_type(DType type, Result result) {
  if (result == Result::kBool) return DType::B8;
  if (result == Result::kReal) {
    if (type == DType::C64) return DType::F32;
    if (type == DType::C128) return DType::F64;
    if (type == DType::C32) return DType::F32; // what it computes in
  }
  if (result == Result::kComplex) return type == DType::F64 ? DType::C128 : DType::C64;
  return type;
}

} // namespace

xpu::EwValue encode(DType type, const c10::Scalar& value) {
  if (value.isComplex()) {
    const auto v = value.toComplexDouble();
    return xpu::encode(type, v.real(), v.imag());
  }
  if (value.isIntegral(true)) {
    const bool large = value.type() == at::kUInt64;
    if (large && xpu::is_floating(type)) return xpu::encode(type, value.to<double>());
    return xpu::encode_integer(
        type, large ? static_cast<int64_t>(value.to<uint64_t>()) : value.to<int64_t>());
  }
  return xpu::encode(type, value.toDouble());
}

xpu::EwOperand device_operand(const char* op, at::TensorIteratorBase& iter, int arg) {
  xpu::EwOperand operand;
  operand.dtype = dtype_of(op, iter.dtype(arg));
  operand.ptr = static_cast<char*>(xpu::device_pointer(iter.data_ptr(arg)));
  const auto strides = iter.strides(arg);
  std::copy(strides.begin(), strides.end(), operand.stride.begin());
  return operand;
}

void pointwise(const char* op, at::TensorIteratorBase& iter, const char* kernel,
               std::initializer_list<c10::Scalar> params, const PointwiseOptions& options) {
  if (iter.numel() == 0) return;
  const at::ScalarType scalar_type = options.type ? *options.type : iter.common_dtype();
  xpu::Elementwise call;
  call.name = kernel;
  call.type = dtype_of(op, scalar_type);
  TORCH_CHECK_NOT_IMPLEMENTED(xpu::find_kernel(xpu::EwKernelName(kernel, call.type)) != nullptr,
                              '"', op, "\" not implemented for '", c10::toString(scalar_type), "'");
  call.dims = iter.ndim();
  TORCH_CHECK(iter.ndim() <= xpu::kMaxDims, op, ": at most ", xpu::kMaxDims, " dimensions, got ",
              iter.ndim());
  std::copy(iter.shape().begin(), iter.shape().end(), call.size.begin());
  call.operands = iter.ninputs() + 1;
  const int inputs = iter.noutputs();
  call.operand[0] = device_operand(op, iter, options.output);
  call.wanted[0] = result_type(call.type, options.result);
  for (int k = 1; k < call.operands; ++k) {
    const int arg = inputs + k - 1;
    call.wanted[k] = call.type;
    if (iter.is_cpu_scalar(arg)) {
      const c10::Scalar value = iter.tensor(arg).item();
      call.operand[k].constant = true;
      call.operand[k].dtype = call.wanted[k];
      call.operand[k].value = encode(
          call.wanted[k], options.exact_scalars ? value : rounded(value, scalar_type));
    } else {
      call.operand[k] = device_operand(op, iter, arg);
    }
  }
  if (options.swapped) std::swap(call.operand[1], call.operand[2]);
  int i = 0;
  for (const c10::Scalar& value : params) call.param[i++] = encode(call.type, value);
  translate([&] {
    run(op, iter.tensor(0), [&](Stream& stream) { xpu::elementwise(stream, call); });
  });
}

} // namespace xpu_lite::aten::sycl
