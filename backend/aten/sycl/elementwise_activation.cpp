// Activations and their derivatives.

#include <ATen/native/Activation.h>

#include "backend/aten/sycl/elementwise.h"
#include "backend/aten/sycl/gelu.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::TensorIterator;
using at::TensorIteratorBase;
using at::native::GeluType;
using c10::Scalar;

void threshold(TensorIteratorBase& i, const Scalar& threshold, const Scalar& value) {
  pointwise("threshold", i, "threshold", {threshold, value});
}
Scalar product(const Scalar& a, const Scalar& b) { return a.toDouble() * b.toDouble(); }
void elu(TensorIteratorBase& i, const Scalar& alpha, const Scalar& scale, const Scalar& input) {
  pointwise("elu", i, "elu", {product(alpha, scale), scale, input});
}
void elu_backward(TensorIteratorBase& i, const Scalar& alpha, const Scalar& scale,
                  const Scalar& input, bool is_result) {
  pointwise("elu_backward", i, is_result ? "elu_backward_result" : "elu_backward",
            {product(alpha, scale), scale, input});
}
void softplus(TensorIteratorBase& i, const Scalar& beta, const Scalar& threshold) {
  pointwise("softplus", i, "softplus", {beta, threshold});
}
void softplus_backward(TensorIteratorBase& i, const Scalar& beta, const Scalar& threshold) {
  pointwise("softplus_backward", i, "softplus_backward", {beta, threshold});
}
void hardtanh_backward(TensorIterator& i, const Scalar& low, const Scalar& high) {
  pointwise("hardtanh_backward", i, "hardtanh_backward", {low, high}, {.type = i.dtype(0)});
}
void hardsigmoid(TensorIteratorBase& i) { pointwise("hardsigmoid", i, "hardsigmoid"); }
void hardsigmoid_backward(TensorIteratorBase& i) {
  pointwise("hardsigmoid_backward", i, "hardsigmoid_backward");
}
void hardswish(TensorIterator& i) { pointwise("hardswish", i, "hardswish"); }
void hardswish_backward(TensorIterator& i) {
  pointwise("hardswish_backward", i, "hardswish_backward");
}
void hardshrink(TensorIteratorBase& i, const Scalar& lambda) {
  pointwise("hardshrink", i, "hardshrink", {lambda});
}
void softshrink(TensorIteratorBase& i, const Scalar& lambda) {
  pointwise("softshrink", i, "softshrink", {lambda});
}
void shrink_backward(TensorIteratorBase& i, const Scalar& lambda) {
  pointwise("shrink_backward", i, "shrink_backward", {lambda});
}
void leaky_relu(TensorIteratorBase& i, const Scalar& slope) {
  pointwise("leaky_relu", i, "leaky_relu", {slope});
}
void leaky_relu_backward(TensorIteratorBase& i, const Scalar& slope) {
  pointwise("leaky_relu_backward", i, "leaky_relu_backward", {slope});
}
void silu(TensorIteratorBase& i) { pointwise("silu", i, "silu"); }
void silu_backward(TensorIteratorBase& i) { pointwise("silu_backward", i, "silu_backward"); }
void mish(TensorIteratorBase& i) { pointwise("mish", i, "mish"); }
void mish_backward(TensorIterator& i) { pointwise("mish_backward", i, "mish_backward"); }
void glu(TensorIteratorBase& i) { pointwise("glu", i, "glu"); }
void glu_jvp(TensorIteratorBase& i) { pointwise("glu_jvp", i, "glu_jvp"); }
void prelu(TensorIterator& i) { pointwise("prelu", i, "prelu", {}, {.type = i.dtype(0)}); }
void prelu_backward(TensorIterator& i) {
  pointwise("prelu_backward", i, "prelu_backward_input", {}, {.type = i.dtype(0)});
  pointwise("prelu_backward", i, "prelu_backward_weight", {},
            {.type = i.dtype(0), .output = 1});
}

} // namespace

void structured_gelu::impl(const at::Tensor&, c10::string_view approximate, const at::Tensor&) {
  const bool tanh = at::native::get_gelutype_enum(approximate) == GeluType::Tanh;
  pointwise("gelu", *this, tanh ? "gelu_tanh" : "gelu");
}

void structured_gelu_backward::impl(const at::Tensor&, const at::Tensor&,
                                    c10::string_view approximate, const at::Tensor&) {
  const bool tanh = at::native::get_gelutype_enum(approximate) == GeluType::Tanh;
  pointwise("gelu_backward", *this, tanh ? "gelu_tanh_backward" : "gelu_backward");
}

} // namespace xpu_lite::aten::sycl

namespace at::native {
using namespace xpu_lite::aten; // NOLINT
REGISTER_PRIVATEUSE1_DISPATCH(threshold_stub, &sycl::threshold)
REGISTER_PRIVATEUSE1_DISPATCH(elu_stub, &sycl::elu)
REGISTER_PRIVATEUSE1_DISPATCH(elu_backward_stub, &sycl::elu_backward)
REGISTER_PRIVATEUSE1_DISPATCH(softplus_stub, &sycl::softplus)
REGISTER_PRIVATEUSE1_DISPATCH(softplus_backward_stub, &sycl::softplus_backward)
REGISTER_PRIVATEUSE1_DISPATCH(hardtanh_backward_stub, &sycl::hardtanh_backward)
REGISTER_PRIVATEUSE1_DISPATCH(hardsigmoid_stub, &sycl::hardsigmoid)
REGISTER_PRIVATEUSE1_DISPATCH(hardsigmoid_backward_stub, &sycl::hardsigmoid_backward)
REGISTER_PRIVATEUSE1_DISPATCH(hardswish_stub, &sycl::hardswish)
REGISTER_PRIVATEUSE1_DISPATCH(hardswish_backward_stub, &sycl::hardswish_backward)
REGISTER_PRIVATEUSE1_DISPATCH(hardshrink_stub, &sycl::hardshrink)
REGISTER_PRIVATEUSE1_DISPATCH(softshrink_stub, &sycl::softshrink)
REGISTER_PRIVATEUSE1_DISPATCH(shrink_backward_stub, &sycl::shrink_backward)
REGISTER_PRIVATEUSE1_DISPATCH(leaky_relu_stub, &sycl::leaky_relu)
REGISTER_PRIVATEUSE1_DISPATCH(leaky_relu_backward_stub, &sycl::leaky_relu_backward)
REGISTER_PRIVATEUSE1_DISPATCH(silu_stub, &sycl::silu)
REGISTER_PRIVATEUSE1_DISPATCH(silu_backward_stub, &sycl::silu_backward)
REGISTER_PRIVATEUSE1_DISPATCH(mish_stub, &sycl::mish)
REGISTER_PRIVATEUSE1_DISPATCH(mish_backward_stub, &sycl::mish_backward)
REGISTER_PRIVATEUSE1_DISPATCH(glu_stub, &sycl::glu)
REGISTER_PRIVATEUSE1_DISPATCH(glu_jvp_stub, &sycl::glu_jvp)
REGISTER_PRIVATEUSE1_DISPATCH(prelu_stub, &sycl::prelu)
REGISTER_PRIVATEUSE1_DISPATCH(prelu_backward_stub, &sycl::prelu_backward)
} // namespace at::native
