// fill_ and where: types only matter by their size.

#include <cstring>

#include <ATen/Dispatch_v2.h>
#include <ATen/native/Fill.h>
#include <ATen/native/TensorCompare.h>

#include "backend/aten/sycl/elementwise.h"
#include "backend/aten/core/errors.h"
#include "backend/aten/sycl/run.h"

namespace xpu_lite::aten::sycl {
namespace {

using xpu::DType;

DType bits_of(size_t item) {
  return item == 1 ? DType::U8 : item == 2 ? DType::U16 : item == 4 ? DType::U32
      : item == 8  ? DType::U64
                   : DType::C128;
}

// The bytes of `value` as an element of `type`.
xpu::EwValue bytes_of(const c10::Scalar& value, at::ScalarType type) {
  xpu::EwValue bytes{};
  const auto put = [&](auto v) { std::memcpy(&bytes, &v, sizeof v); };
  AT_DISPATCH_V2(type, "fill_", AT_WRAP([&] { put(value.to<scalar_t>()); }),
                 AT_EXPAND(AT_ALL_TYPES_AND_COMPLEX), AT_EXPAND(AT_BAREBONES_UNSIGNED_TYPES),
                 AT_EXPAND(AT_FLOAT8_TYPES), c10::kComplexHalf, c10::kHalf, c10::kBFloat16,
                 c10::kBool);
  return bytes;
}

// The operand as bits: `as` has the size of its elements.
xpu::EwOperand bits_operand(at::TensorIteratorBase& iter, int arg, DType as) {
  xpu::EwOperand operand;
  operand.dtype = as;
  operand.ptr = static_cast<char*>(xpu::device_pointer(iter.data_ptr(arg)));
  const auto strides = iter.strides(arg);
  std::copy(strides.begin(), strides.end(), operand.stride.begin());
  return operand;
}

void fill(at::TensorIterator& iter, const c10::Scalar& value) {
  if (iter.numel() == 0) return;
  const at::ScalarType type = iter.dtype(0);
  xpu::Elementwise call;
  call.name = "fill";
  call.type = call.wanted[0] = bits_of(c10::elementSize(type));
  call.dims = iter.ndim();
  std::copy(iter.shape().begin(), iter.shape().end(), call.size.begin());
  call.operands = 1;
  call.operand[0] = bits_operand(iter, 0, call.type);
  call.param[0] = bytes_of(value, type);
  translate([&] {
    run("fill_", iter.tensor(0), [&](Stream& stream) { xpu::elementwise(stream, call); });
  });
}

void where(at::TensorIterator& iter) {
  if (iter.numel() == 0) return;
  const at::ScalarType type = iter.dtype(0);
  xpu::Elementwise call;
  call.name = "where";
  call.type = bits_of(c10::elementSize(type));
  call.dims = iter.ndim();
  std::copy(iter.shape().begin(), iter.shape().end(), call.size.begin());
  call.operands = 4;
  for (int k = 0; k < 4; ++k) {
    xpu::EwOperand& operand = call.operand[k];
    call.wanted[k] = k == 1 ? DType::B8 : call.type;
    if (k != 0 && iter.is_cpu_scalar(k)) {
      const c10::Scalar value = iter.tensor(k).item();
      operand.constant = true;
      operand.value = k == 1 ? xpu::encode_integer(DType::B8, value.toBool())
                             : bytes_of(value, type);
      operand.dtype = call.wanted[k];
      continue;
    }
    // A condition may be uint8; values of another type are cast before they are bits.
    operand = k == 1 ? device_operand("where", iter, k) : bits_operand(iter, k, call.type);
    TORCH_CHECK(k == 1 || iter.dtype(k) == type, "where: expected ", type, " for every value, got ",
                iter.dtype(k));
  }
  translate([&] {
    run("where", iter.tensor(0), [&](Stream& stream) { xpu::elementwise(stream, call); });
  });
}

} // namespace
} // namespace xpu_lite::aten::sycl

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(fill_stub, &xpu_lite::aten::sycl::fill)
REGISTER_PRIVATEUSE1_DISPATCH(where_kernel, &xpu_lite::aten::sycl::where)
} // namespace at::native
