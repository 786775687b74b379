// Elementwise operators without a structured class: torch's own functions, which
// call the stubs of elementwise_*.cpp; and those of elementwise_own.h.

#include <ATen/ops/_prelu_kernel_backward_native.h>
#include <ATen/ops/_prelu_kernel_native.h>
#include <ATen/ops/abs_native.h>
#include <ATen/ops/abs_ops.h>
#include <ATen/ops/angle_native.h>
#include <ATen/ops/arange_native.h>
#include <ATen/ops/complex_native.h>
#include <ATen/ops/conj_physical_native.h>
#include <ATen/ops/fill_native.h>
#include <ATen/ops/floor_divide_native.h>
#include <ATen/ops/frexp_native.h>
#include <ATen/ops/glu_backward_jvp_native.h>
#include <ATen/ops/glu_jvp_native.h>
#include <ATen/ops/hardswish_backward_native.h>
#include <ATen/ops/hardswish_native.h>
#include <ATen/ops/hardtanh_backward_native.h>
#include <ATen/ops/hardtanh_native.h>
#include <ATen/ops/huber_loss_backward_native.h>
#include <ATen/ops/huber_loss_native.h>
#include <ATen/ops/isnan_native.h>
#include <ATen/ops/linspace_native.h>
#include <ATen/ops/logical_and_native.h>
#include <ATen/ops/logical_not_native.h>
#include <ATen/ops/logical_or_native.h>
#include <ATen/ops/logical_xor_native.h>
#include <ATen/ops/logit_native.h>
#include <ATen/ops/lshift_native.h>
#include <ATen/ops/mish_backward_native.h>
#include <ATen/ops/mse_loss_backward_native.h>
#include <ATen/ops/mvlgamma_native.h>
#include <ATen/ops/nan_to_num_native.h>
#include <ATen/ops/polar_native.h>
#include <ATen/ops/relu_native.h>
#include <ATen/ops/remainder_native.h>
#include <ATen/ops/rshift_native.h>
#include <ATen/ops/rsub_native.h>
#include <ATen/ops/smooth_l1_loss_backward_native.h>
#include <ATen/ops/where_native.h>
#include <ATen/ops/zero_native.h>
#include <torch/library.h>

#include "backend/aten/sycl/elementwise_own.h"
#include "backend/aten/sycl/rare.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::Scalar;
using at::Tensor;
namespace native = at::native;

// TORCH_FN takes no overloaded name.
Tensor& fill_scalar(Tensor& self, const Scalar& v) { return native::fill_(self, v); }
Tensor& fill_tensor(Tensor& self, const Tensor& v) { return native::fill_(self, v); }
Tensor where_of(const Tensor& c, const Tensor& a, const Tensor& b) { return native::where(c, a, b); }
Tensor floor_divide(const Tensor& a, const Tensor& b) { return native::floor_divide(a, b); }
Tensor& floor_divide_(Tensor& a, const Tensor& b) { return native::floor_divide_(a, b); }
Tensor rsub(const Tensor& a, const Tensor& b, const Scalar& alpha) {
  return native::rsub(a, b, alpha);
}
Tensor remainder_of(const Scalar& a, const Tensor& b) { return native::remainder(a, b); }
Tensor lshift_tensor(const Tensor& a, const Tensor& b) { return native::__lshift__(a, b); }
Tensor lshift_scalar(const Tensor& a, const Scalar& b) { return native::__lshift__(a, b); }
Tensor& ilshift_tensor(Tensor& a, const Tensor& b) { return native::__ilshift__(a, b); }
Tensor& ilshift_scalar(Tensor& a, const Scalar& b) { return native::__ilshift__(a, b); }
Tensor rshift_tensor(const Tensor& a, const Tensor& b) { return native::__rshift__(a, b); }
Tensor rshift_scalar(const Tensor& a, const Scalar& b) { return native::__rshift__(a, b); }
Tensor& irshift_tensor(Tensor& a, const Tensor& b) { return native::__irshift__(a, b); }
Tensor& irshift_scalar(Tensor& a, const Scalar& b) { return native::__irshift__(a, b); }
Tensor& arange_out(const Scalar& start, const Scalar& end, const Scalar& step, Tensor& out) {
  return native::arange_out(start, end, step, out);
}
Tensor& linspace_out(const Scalar& start, const Scalar& end, int64_t steps, Tensor& out) {
  return native::linspace_out(start, end, steps, out);
}

} // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("fill_.Scalar", TORCH_FN(fill_scalar));
  m.impl("fill_.Tensor", TORCH_FN(fill_tensor));
  m.impl("zero_", TORCH_FN(native::zero_));
  m.impl("where.self", TORCH_FN(where_of));
  m.impl("where.self_out", TORCH_FN(native::where_self_out));
  m.impl("arange.start_out", TORCH_FN(arange_out));
  m.impl("linspace.out", TORCH_FN(linspace_out));
  m.impl("eye.out", TORCH_FN(eye_out));
  m.impl("eye.m_out", TORCH_FN(eye_m_out));

  m.impl("abs.out", XPU_SYCL_NOT_RARE(abs_out, native::abs_out));
  m.impl("angle", TORCH_FN(native::angle));
  m.impl("angle.out", TORCH_FN(native::angle_out));
  m.impl("conj_physical.out", TORCH_FN(native::conj_physical_out));
  m.impl("complex.out", TORCH_FN(native::complex_out));
  m.impl("polar.out", TORCH_FN(native::polar_out));
  m.impl("isnan", TORCH_FN(native::isnan));
  m.impl("nan_to_num.out", TORCH_FN(native::nan_to_num_out));
  m.impl("frexp.Tensor_out", TORCH_FN(native::frexp_out));
  m.impl("logit", TORCH_FN(native::logit));
  m.impl("logit_", TORCH_FN(native::logit_));
  m.impl("logit.out", TORCH_FN(native::logit_out));
  m.impl("mvlgamma.out", TORCH_FN(native::mvlgamma_out));

  m.impl("logical_not.out", TORCH_FN(native::logical_not_out));
  m.impl("logical_and.out", TORCH_FN(native::logical_and_out));
  m.impl("logical_or.out", TORCH_FN(native::logical_or_out));
  m.impl("logical_xor.out", TORCH_FN(native::logical_xor_out));
  m.impl("floor_divide", TORCH_FN(floor_divide));
  m.impl("floor_divide_.Tensor", TORCH_FN(floor_divide_));
  m.impl("floor_divide.out", TORCH_FN(native::floor_divide_out));
  m.impl("rsub.Tensor", TORCH_FN(rsub));
  m.impl("remainder.Scalar_Tensor", TORCH_FN(remainder_of));
  m.impl("__lshift__.Tensor", TORCH_FN(lshift_tensor));
  m.impl("__lshift__.Scalar", TORCH_FN(lshift_scalar));
  m.impl("__ilshift__.Tensor", TORCH_FN(ilshift_tensor));
  m.impl("__ilshift__.Scalar", TORCH_FN(ilshift_scalar));
  m.impl("__rshift__.Tensor", TORCH_FN(rshift_tensor));
  m.impl("__rshift__.Scalar", TORCH_FN(rshift_scalar));
  m.impl("__irshift__.Tensor", TORCH_FN(irshift_tensor));
  m.impl("__irshift__.Scalar", TORCH_FN(irshift_scalar));

  m.impl("relu", TORCH_FN(native::relu));
  m.impl("relu_", TORCH_FN(native::relu_));
  m.impl("hardtanh", TORCH_FN(native::hardtanh));
  m.impl("hardtanh.out", TORCH_FN(native::hardtanh_out));
  m.impl("hardtanh_", TORCH_FN(native::hardtanh_));
  m.impl("hardtanh_backward", TORCH_FN(native::hardtanh_backward));
  m.impl("hardtanh_backward.grad_input", TORCH_FN(native::hardtanh_backward_out));
  m.impl("hardswish", TORCH_FN(native::hardswish));
  m.impl("hardswish.out", TORCH_FN(native::hardswish_out));
  m.impl("hardswish_", TORCH_FN(native::hardswish_));
  m.impl("hardswish_backward", TORCH_FN(native::hardswish_backward));
  m.impl("mish_backward", TORCH_FN(native::mish_backward));
  m.impl("_prelu_kernel", TORCH_FN(native::_prelu_kernel));
  m.impl("_prelu_kernel_backward", TORCH_FN(native::_prelu_kernel_backward));
  m.impl("glu_jvp", TORCH_FN(native::glu_jvp));
  m.impl("glu_backward_jvp", TORCH_FN(native::glu_backward_jvp));
  m.impl("glu_backward", TORCH_FN(glu_backward));
  m.impl("glu_backward.grad_input", TORCH_FN(glu_backward_out));
  m.impl("log_sigmoid_forward", TORCH_FN(log_sigmoid_forward));
  m.impl("log_sigmoid_forward.output", TORCH_FN(log_sigmoid_forward_out));
  m.impl("log_sigmoid_backward", TORCH_FN(log_sigmoid_backward));
  m.impl("log_sigmoid_backward.grad_input", TORCH_FN(log_sigmoid_backward_out));

  m.impl("mse_loss_backward", TORCH_FN(native::mse_loss_backward));
  m.impl("mse_loss_backward.grad_input", TORCH_FN(native::mse_loss_backward_out));
  m.impl("smooth_l1_loss_backward.grad_input", TORCH_FN(native::smooth_l1_loss_backward_out));
  m.impl("huber_loss", TORCH_FN(native::huber_loss));
  m.impl("huber_loss.out", TORCH_FN(native::huber_loss_out));
  m.impl("huber_loss_backward.out", TORCH_FN(native::huber_loss_backward_out));
}

} // namespace xpu_lite::aten::sycl
