// arange and linspace.

#include <ATen/native/RangeFactories.h>
#include <ATen/ops/linspace.h>

#include "backend/aten/core/errors.h"
#include "backend/aten/sycl/elementwise.h"
#include "backend/aten/sycl/run.h"

namespace xpu_lite::aten::sycl {
namespace {

using c10::Scalar;

// One contiguous output.
xpu::Elementwise nullary(const char* op, const char* kernel, at::TensorIterator& iter) {
  xpu::Elementwise call;
  call.name = kernel;
  call.type = call.wanted[0] = dtype_of(op, iter.dtype(0));
  call.dims = iter.ndim();
  std::copy(iter.shape().begin(), iter.shape().end(), call.size.begin());
  call.operands = 1;
  call.operand[0] = device_operand(op, iter, 0);
  return call;
}

void submit(const char* op, at::TensorIterator& iter, xpu::Elementwise& call) {
  translate([&] {
    run(op, iter.tensor(0), [&](Stream& stream) { xpu::elementwise(stream, call); });
  });
}

// What the type of the kernel loses of the number.
Scalar rest(xpu::DType type, const Scalar& value) {
  if (type == xpu::DType::F64 || !xpu::is_floating(type)) return 0;
  const double v = value.toDouble();
  return v - static_cast<double>(static_cast<float>(v));
}

void arange(at::TensorIterator& iter, const Scalar& start, const Scalar& steps,
            const Scalar& step) {
  if (iter.numel() == 0) return;
  xpu::Elementwise call = nullary("arange", "range", iter);
  call.param[0] = encode(call.type, start);
  call.param[1] = encode(call.type, rest(call.type, start));
  call.param[2] = encode(call.type, step);
  call.param[3] = encode(call.type, rest(call.type, step));
  submit("arange", iter, call);
}

void linspace(at::TensorIterator& iter, const Scalar& start, const Scalar& end, int64_t steps) {
  if (iter.numel() == 0) return;
  const at::ScalarType type = iter.dtype(0);
  if (at::isIntegralType(type, true)) {
    // The CPU cuts double values off; a device may have no double.
    const auto options = iter.tensor(0).options().device(c10::kCPU);
    iter.tensor(0).copy_(at::linspace(start, end, steps, options));
    return;
  }
  xpu::Elementwise call = nullary("linspace", "linear", iter);
  const auto parts = static_cast<double>(steps - 1);
  const Scalar step = at::isComplexType(type)
      ? Scalar((end.toComplexDouble() - start.toComplexDouble()) / parts)
      : Scalar((end.toDouble() - start.toDouble()) / parts);
  call.param[0] = encode(call.type, start);
  call.param[1] = encode(call.type, step);
  call.param[2] = encode(call.type, end);
  submit("linspace", iter, call);
}

} // namespace
} // namespace xpu_lite::aten::sycl

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(arange_stub, &xpu_lite::aten::sycl::arange)
REGISTER_PRIVATEUSE1_DISPATCH(linspace_stub, &xpu_lite::aten::sycl::linspace)
} // namespace at::native
