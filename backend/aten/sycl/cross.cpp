// The cross product of vectors of three, by the kernels of its parts.

#include <ATen/native/Cross.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/roll.h>
#include <ATen/ops/sub.h>

#include "backend/aten/sycl/refuse.h"

namespace xpu_lite::aten::sycl {
namespace {

void cross_kernel(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b,
                  const int64_t dim) {
  refuse_bool("cross", out.scalar_type());
  if (out.numel() == 0) return;
  auto next = [&](const at::Tensor& t, int64_t by) { return at::roll(t, {-by}, {dim}); };
  out.copy_(at::sub(at::mul(next(a, 1), next(b, 2)), at::mul(next(a, 2), next(b, 1))));
}

} // namespace
} // namespace xpu_lite::aten::sycl

namespace at::native {
using namespace xpu_lite::aten::sycl;
REGISTER_PRIVATEUSE1_DISPATCH(cross_stub, &cross_kernel)
} // namespace at::native
