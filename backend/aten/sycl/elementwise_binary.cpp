// Arithmetic of two and three operands.

#include <ATen/Dispatch_v2.h>
#include <ATen/native/BinaryOps.h>
#include <ATen/native/Lerp.h>
#include <ATen/native/PointwiseOps.h>
#include <ATen/native/Pow.h>

#include "backend/aten/sycl/elementwise.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::TensorIterator;
using at::TensorIteratorBase;
using c10::Scalar;

constexpr PointwiseOptions kExact{.exact_scalars = true};

Scalar negative(const Scalar& v) { return v.isBoolean() ? Scalar(-v.to<int64_t>()) : -v; }

// As torch's CPU kernel takes it: rounded to the type, an error if it does not fit.
Scalar alpha_as(at::ScalarType type, const Scalar& alpha) {
  return AT_DISPATCH_V2(type, "add", AT_WRAP([&] { return Scalar(alpha.to<scalar_t>()); }),
                        AT_EXPAND(AT_ALL_TYPES_AND_COMPLEX), at::kComplexHalf, at::kHalf,
                        at::kBFloat16, at::kBool);
}
void add(TensorIteratorBase& i, const Scalar& alpha) {
  pointwise("add", i, "add", {alpha_as(i.common_dtype(), alpha)});
}
void sub(TensorIteratorBase& i, const Scalar& alpha) {
  pointwise("sub", i, "add", {alpha_as(i.common_dtype(), negative(alpha))});
}
void mul(TensorIteratorBase& i) { pointwise("mul", i, "mul", {}, kExact); }
void div_true(TensorIteratorBase& i) { pointwise("div", i, "div", {}, kExact); }
void div_floor(TensorIteratorBase& i) { pointwise("floor_divide", i, "div_floor", {}, kExact); }
void div_trunc(TensorIteratorBase& i) { pointwise("div", i, "div_trunc", {}, kExact); }
void remainder(TensorIteratorBase& i) { pointwise("remainder", i, "remainder"); }
void fmod(TensorIteratorBase& i) { pointwise("fmod", i, "fmod"); }
void atan2(TensorIteratorBase& i) { pointwise("atan2", i, "atan2"); }
void copysign(TensorIteratorBase& i) { pointwise("copysign", i, "copysign"); }
void hypot(TensorIteratorBase& i) { pointwise("hypot", i, "hypot"); }
void nextafter(TensorIteratorBase& i) { pointwise("nextafter", i, "nextafter"); }
void heaviside(TensorIteratorBase& i) { pointwise("heaviside", i, "heaviside"); }
void gcd(TensorIteratorBase& i) { pointwise("gcd", i, "gcd"); }
void lcm(TensorIteratorBase& i) { pointwise("lcm", i, "lcm"); }
void ldexp(TensorIteratorBase& i) { pointwise("ldexp", i, "ldexp"); }
void logaddexp(TensorIteratorBase& i) { pointwise("logaddexp", i, "logaddexp"); }
void logaddexp2(TensorIteratorBase& i) { pointwise("logaddexp2", i, "logaddexp2"); }
void xlogy(TensorIteratorBase& i) { pointwise("xlogy", i, "xlogy"); }
void xlog1py(TensorIteratorBase& i) { pointwise("special_xlog1py", i, "xlog1py"); }

void pow_tensor(TensorIteratorBase& i) { pointwise("pow", i, "pow"); }
// The powers that are roots and products are these, as exactly as on the CPU.
void pow_scalar(TensorIteratorBase& i, const Scalar& exponent) {
  const bool integer = at::isIntegralType(i.common_dtype(), true);
  const char* kernel = "pow_scalar";
  if (exponent.equal(2.0)) kernel = "square";
  else if (exponent.equal(3.0)) kernel = "cube";
  else if (!integer && exponent.equal(0.5)) kernel = "sqrt";
  else if (!integer && !exponent.isComplex() && exponent.equal(-0.5)) kernel = "rsqrt";
  else if (!integer && exponent.equal(-1.0)) kernel = "reciprocal";
  else if (!integer && exponent.equal(-2.0)) kernel = "reciprocal_square";
  pointwise("pow", i, kernel, {exponent});
}

void addcmul(TensorIteratorBase& i, const Scalar& value) {
  pointwise("addcmul", i, "addcmul", {value});
}
void addcdiv(TensorIteratorBase& i, const Scalar& value) {
  pointwise("addcdiv", i, "addcdiv", {value});
}
void lerp_scalar(TensorIteratorBase& i, const Scalar& weight) {
  pointwise("lerp", i, "lerp_scalar", {weight});
}
void lerp_tensor(TensorIteratorBase& i) { pointwise("lerp", i, "lerp"); }

void mse(TensorIteratorBase& i) { pointwise("mse_loss", i, "mse"); }
void smooth_l1(TensorIteratorBase& i, double beta) {
  pointwise("smooth_l1_loss", i, "smooth_l1", {beta});
}
void huber(TensorIterator& i, double delta) { pointwise("huber_loss", i, "huber", {delta}); }
void mse_backward(TensorIterator& i, const Scalar& norm) {
  pointwise("mse_loss_backward", i, "mse_backward", {norm}, {.type = i.dtype(0)});
}
void smooth_l1_backward(TensorIterator& i, const Scalar& norm, double beta) {
  pointwise("smooth_l1_loss_backward", i, "smooth_l1_backward", {norm, beta},
            {.type = i.dtype(0)});
}
void huber_backward(TensorIterator& i, const Scalar& norm, double delta) {
  pointwise("huber_loss_backward", i, "huber_backward", {norm, delta}, {.type = i.dtype(0)});
}
void sigmoid_backward(TensorIteratorBase& i) {
  pointwise("sigmoid_backward", i, "sigmoid_backward");
}
void tanh_backward(TensorIteratorBase& i) { pointwise("tanh_backward", i, "tanh_backward"); }
void logit_backward(TensorIteratorBase& i, const Scalar& eps) {
  pointwise("logit_backward", i, "logit_backward", {eps});
}

} // namespace
} // namespace xpu_lite::aten::sycl

namespace at::native {
using namespace xpu_lite::aten; // NOLINT
REGISTER_PRIVATEUSE1_DISPATCH(add_stub, &sycl::add)
REGISTER_PRIVATEUSE1_DISPATCH(sub_stub, &sycl::sub)
REGISTER_PRIVATEUSE1_DISPATCH(mul_stub, &sycl::mul)
REGISTER_PRIVATEUSE1_DISPATCH(div_true_stub, &sycl::div_true)
REGISTER_PRIVATEUSE1_DISPATCH(div_floor_stub, &sycl::div_floor)
REGISTER_PRIVATEUSE1_DISPATCH(div_trunc_stub, &sycl::div_trunc)
REGISTER_PRIVATEUSE1_DISPATCH(remainder_stub, &sycl::remainder)
REGISTER_PRIVATEUSE1_DISPATCH(fmod_stub, &sycl::fmod)
REGISTER_PRIVATEUSE1_DISPATCH(atan2_stub, &sycl::atan2)
REGISTER_PRIVATEUSE1_DISPATCH(copysign_stub, &sycl::copysign)
REGISTER_PRIVATEUSE1_DISPATCH(hypot_stub, &sycl::hypot)
REGISTER_PRIVATEUSE1_DISPATCH(nextafter_stub, &sycl::nextafter)
REGISTER_PRIVATEUSE1_DISPATCH(heaviside_stub, &sycl::heaviside)
REGISTER_PRIVATEUSE1_DISPATCH(gcd_stub, &sycl::gcd)
REGISTER_PRIVATEUSE1_DISPATCH(lcm_stub, &sycl::lcm)
REGISTER_PRIVATEUSE1_DISPATCH(ldexp_stub, &sycl::ldexp)
REGISTER_PRIVATEUSE1_DISPATCH(logaddexp_stub, &sycl::logaddexp)
REGISTER_PRIVATEUSE1_DISPATCH(logaddexp2_stub, &sycl::logaddexp2)
REGISTER_PRIVATEUSE1_DISPATCH(xlogy_stub, &sycl::xlogy)
REGISTER_PRIVATEUSE1_DISPATCH(xlog1py_stub, &sycl::xlog1py)
REGISTER_PRIVATEUSE1_DISPATCH(pow_tensor_tensor_stub, &sycl::pow_tensor)
REGISTER_PRIVATEUSE1_DISPATCH(pow_tensor_scalar_stub, &sycl::pow_scalar)
REGISTER_PRIVATEUSE1_DISPATCH(addcmul_stub, &sycl::addcmul)
REGISTER_PRIVATEUSE1_DISPATCH(addcdiv_stub, &sycl::addcdiv)
REGISTER_PRIVATEUSE1_DISPATCH(lerp_kernel_scalar_weight, &sycl::lerp_scalar)
REGISTER_PRIVATEUSE1_DISPATCH(lerp_kernel_tensor_weight, &sycl::lerp_tensor)
REGISTER_PRIVATEUSE1_DISPATCH(mse_stub, &sycl::mse)
REGISTER_PRIVATEUSE1_DISPATCH(smooth_l1_stub, &sycl::smooth_l1)
REGISTER_PRIVATEUSE1_DISPATCH(huber_stub, &sycl::huber)
REGISTER_PRIVATEUSE1_DISPATCH(mse_backward_stub, &sycl::mse_backward)
REGISTER_PRIVATEUSE1_DISPATCH(smooth_l1_backward_stub, &sycl::smooth_l1_backward)
REGISTER_PRIVATEUSE1_DISPATCH(huber_backward_stub, &sycl::huber_backward)
REGISTER_PRIVATEUSE1_DISPATCH(sigmoid_backward_stub, &sycl::sigmoid_backward)
REGISTER_PRIVATEUSE1_DISPATCH(tanh_backward_stub, &sycl::tanh_backward)
REGISTER_PRIVATEUSE1_DISPATCH(logit_backward_stub, &sycl::logit_backward)
} // namespace at::native
