// What renorm multiplies by: rows that are longer than allowed are scaled down.

#include <ATen/TensorOperators.h>
#include <ATen/native/Normalization.h>
#include <ATen/ops/where.h>

namespace xpu_lite::aten::sycl {

namespace {

void renorm_scale_factor(at::TensorIteratorBase& iter, double max_norm) {
  constexpr double kTiny = 1e-7; // as on the CPU: no division by zero
  const at::Tensor& factor = iter.tensor(0);
  const at::Tensor& norm = iter.tensor(1);
  factor.copy_(at::where(norm > max_norm, (norm + kTiny).reciprocal() * max_norm, 1));
}

} // namespace

} // namespace xpu_lite::aten::sycl

namespace at::native {

REGISTER_PRIVATEUSE1_DISPATCH(renorm_scale_factor_stub,
                              &xpu_lite::aten::sycl::renorm_scale_factor)

} // namespace at::native
