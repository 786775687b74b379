#pragma once

// How torch's TensorIterator runs on the kernels of backend/xpu/kernels/ew_*.cpp. The
// stubs in elementwise_*.cpp are one line to an operator on top of this.

#include <initializer_list>
#include <optional>

#include <ATen/TensorIterator.h>
#include <c10/core/Scalar.h>

#include "backend/xpu/dtype.h"
#include "backend/xpu/ops/elementwise.h"

namespace xpu_lite::aten::sycl {

enum class Result {
  kSame, // the type that is computed with
  kBool,
  kReal, // of complex operands: the type of their parts
  kComplex // of real operands
};

struct PointwiseOptions {
  Result result = Result::kSame;
  // What to compute in; else the iterator's common dtype.
  std::optional<at::ScalarType> type = std::nullopt;
  // A CPU scalar takes part as it is, not rounded to the type of the tensors.
  bool exact_scalars = false;
  // Which output is written.
  int output = 0;
  // The second operand comes first.
  bool swapped = false;
};

// Output 0 = ew_<kernel>(inputs; params). `op` must be a string literal.
void pointwise(const char* op, at::TensorIteratorBase& iter, const char* kernel,
               std::initializer_list<c10::Scalar> params = {},
               const PointwiseOptions& options = {});

xpu::EwValue encode(xpu::DType type, const c10::Scalar& value);

// Operand `arg` of the iterator, on the device.
xpu::EwOperand device_operand(const char* op, at::TensorIteratorBase& iter, int arg);

} // namespace xpu_lite::aten::sycl
