// Functions of one number.

#include <cmath>
#include <limits>

#include <ATen/Dispatch.h>
#include <ATen/native/TensorCompare.h>
#include <ATen/native/TensorFactories.h>
#include <ATen/native/UnaryOps.h>

#include "backend/aten/sycl/copy_kernel.h"
#include "backend/aten/sycl/elementwise.h"
#include "backend/aten/sycl/refuse.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::TensorIterator;
using at::TensorIteratorBase;
using c10::Scalar;

#define XPU_LITE_UNARY(X) \
  X(acos) X(acosh) X(asin) X(asinh) X(atan) X(atanh) X(ceil) X(cos) X(cosh) \
  X(erf) X(erfc) X(exp) X(exp2) X(expm1) X(floor) X(frac) X(log) X(log10) X(log1p) X(log2) \
  X(neg) X(reciprocal) X(round) X(rsqrt) X(sigmoid) X(sign) X(sin) X(sinc) X(sinh) X(sqrt) \
  X(tan) X(tanh) X(trunc)
#define XPU_LITE_FUNCTION(name) \
  void name(TensorIteratorBase& i) { pointwise(#name, i, #name); }
XPU_LITE_UNARY(XPU_LITE_FUNCTION)

void sgn(TensorIteratorBase& i) { pointwise("sgn", i, "sign", {}, {.type = i.dtype(1)}); }
void signbit(TensorIteratorBase& i) {
  pointwise("signbit", i, "signbit", {}, {.result = Result::kBool, .type = i.dtype(1)});
}
void isposinf(TensorIteratorBase& i) {
  pointwise("isposinf", i, "isposinf", {}, {.result = Result::kBool, .type = i.dtype(1)});
}
void isneginf(TensorIteratorBase& i) {
  pointwise("isneginf", i, "isneginf", {}, {.result = Result::kBool, .type = i.dtype(1)});
}
void abs(TensorIteratorBase& i) {
  refuse_bool("abs", i.dtype(1));
  pointwise("abs", i, "abs", {}, {.result = Result::kReal, .type = i.dtype(1)});
}
void angle(TensorIteratorBase& i) {
  const bool complex = at::isComplexType(i.dtype(1));
  pointwise("angle", i, "angle", {},
            {.result = Result::kReal, .type = complex ? i.dtype(1) : i.dtype(0)});
}
void conj_physical(TensorIteratorBase& i) {
  if (!at::isComplexType(i.dtype(1))) { // out= of real numbers
    if (i.numel()) copy_kernel(i.tensor(1), i.tensor(0));
    return;
  }
  pointwise("conj_physical", i, "conj", {}, {.type = i.dtype(1)});
}
void logit(TensorIteratorBase& i, const Scalar& eps) { pointwise("logit", i, "logit", {eps}); }
void round_decimals(TensorIteratorBase& i, int64_t decimals) {
  const double scale = std::pow(10.0, static_cast<double>(std::abs(decimals)));
  pointwise("round", i, "round_decimals", {scale, decimals < 0 ? 1.0 : 0.0});
}
void nan_to_num(TensorIteratorBase& i, std::optional<double> nan, std::optional<double> high,
                std::optional<double> low) {
  const at::ScalarType type = c10::toRealValueType(i.dtype(1));
  const auto limit = [&](bool upper) {
    return AT_DISPATCH_FLOATING_TYPES_AND2(
        at::kHalf, at::kBFloat16, type, "nan_to_num", [&]() -> double {
          return static_cast<double>(upper ? std::numeric_limits<scalar_t>::max()
                                           : std::numeric_limits<scalar_t>::lowest());
        });
  };
  pointwise("nan_to_num", i, "nan_to_num",
            {nan.value_or(0.0), high ? *high : limit(true), low ? *low : limit(false)},
            {.type = i.dtype(1)});
}
void frexp(TensorIteratorBase& i) {
  pointwise("frexp", i, "frexp_mantissa", {}, {.type = i.dtype(2)});
  pointwise("frexp", i, "frexp_exponent", {}, {.type = i.dtype(2), .output = 1});
}
void complex(TensorIterator& i) {
  pointwise("complex", i, "complex", {}, {.result = Result::kComplex, .type = i.dtype(1)});
}
void polar(TensorIterator& i) {
  pointwise("polar", i, "polar", {}, {.result = Result::kComplex, .type = i.dtype(1)});
}

} // namespace
} // namespace xpu_lite::aten::sycl

namespace at::native {
using namespace xpu_lite::aten; // NOLINT
#define XPU_LITE_REGISTER(name) REGISTER_PRIVATEUSE1_DISPATCH(name##_stub, &sycl::name)
XPU_LITE_UNARY(XPU_LITE_REGISTER)
REGISTER_PRIVATEUSE1_DISPATCH(sgn_stub, &sycl::sgn)
REGISTER_PRIVATEUSE1_DISPATCH(signbit_stub, &sycl::signbit)
REGISTER_PRIVATEUSE1_DISPATCH(isposinf_stub, &sycl::isposinf)
REGISTER_PRIVATEUSE1_DISPATCH(isneginf_stub, &sycl::isneginf)
REGISTER_PRIVATEUSE1_DISPATCH(abs_stub, &sycl::abs)
REGISTER_PRIVATEUSE1_DISPATCH(angle_stub, &sycl::angle)
REGISTER_PRIVATEUSE1_DISPATCH(conj_physical_stub, &sycl::conj_physical)
REGISTER_PRIVATEUSE1_DISPATCH(logit_stub, &sycl::logit)
REGISTER_PRIVATEUSE1_DISPATCH(round_decimals_stub, &sycl::round_decimals)
REGISTER_PRIVATEUSE1_DISPATCH(nan_to_num_stub, &sycl::nan_to_num)
REGISTER_PRIVATEUSE1_DISPATCH(frexp_stub, &sycl::frexp)
REGISTER_PRIVATEUSE1_DISPATCH(complex_stub, &sycl::complex)
REGISTER_PRIVATEUSE1_DISPATCH(polar_stub, &sycl::polar)
} // namespace at::native
