// Elementwise operators without a structured class: torch's own functions, which
// call the stubs of elementwise_*.cpp.

#include <ATen/ops/fill_native.h>
#include <ATen/ops/where_native.h>
#include <ATen/ops/zero_native.h>
#include <torch/library.h>

namespace xpu_lite::aten::sycl {

namespace {
at::Tensor& fill_scalar(at::Tensor& self, const at::Scalar& value) {
  return at::native::fill_(self, value);
}
at::Tensor& fill_tensor(at::Tensor& self, const at::Tensor& value) {
  return at::native::fill_(self, value);
}
} // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("fill_.Scalar", TORCH_FN(fill_scalar));
  m.impl("fill_.Tensor", TORCH_FN(fill_tensor));
  m.impl("zero_", TORCH_FN(at::native::zero_));
  m.impl("where.self", TORCH_FN(at::native::where));
  m.impl("where.self_out", TORCH_FN(at::native::where_self_out));
}

} // namespace xpu_lite::aten::sycl
