// Comparisons, bounds, truth values and bits.

#include <limits>

#include <ATen/native/BinaryOps.h>
#include <ATen/native/TensorCompare.h>
#include <ATen/native/UnaryOps.h>

#include "backend/aten/sycl/elementwise.h"
#include "backend/aten/sycl/refuse.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::TensorIterator;
using at::TensorIteratorBase;
using c10::Scalar;

constexpr PointwiseOptions kCompare{.result = Result::kBool};
constexpr PointwiseOptions kCompareSwapped{.result = Result::kBool, .swapped = true};

// Complex numbers of half precision are compared as what they are widened to.
void equality(TensorIteratorBase& i, const char* name) {
  PointwiseOptions options = kCompare;
  if (i.common_dtype() == at::kComplexHalf) options.type = at::kComplexFloat;
  pointwise(name, i, name, {}, options);
}
void eq(TensorIteratorBase& i) { equality(i, "eq"); }
void ne(TensorIteratorBase& i) { equality(i, "ne"); }
void lt(TensorIteratorBase& i) { pointwise("lt", i, "lt", {}, kCompare); }
void le(TensorIteratorBase& i) { pointwise("le", i, "le", {}, kCompare); }
void gt(TensorIteratorBase& i) { pointwise("gt", i, "lt", {}, kCompareSwapped); }
void ge(TensorIteratorBase& i) { pointwise("ge", i, "le", {}, kCompareSwapped); }

void maximum(TensorIteratorBase& i) { pointwise("maximum", i, "maximum"); }
void minimum(TensorIteratorBase& i) { pointwise("minimum", i, "minimum"); }
// Of integers there is no difference.
bool floating(TensorIteratorBase& i) { return at::isFloatingType(i.common_dtype()); }
void fmax(TensorIteratorBase& i) { pointwise("fmax", i, floating(i) ? "fmax" : "maximum"); }
void fmin(TensorIteratorBase& i) { pointwise("fmin", i, floating(i) ? "fmin" : "minimum"); }

void clamp(TensorIteratorBase& i) {
  refuse_bool("clamp", i.common_dtype());
  pointwise("clamp", i, "clamp");
}
void clamp_scalar(TensorIteratorBase& i, const Scalar& low, const Scalar& high) {
  refuse_bool("clamp", i.common_dtype());
  pointwise("clamp", i, "clamp_scalar", {low, high});
}
void clamp_min(TensorIteratorBase& i, Scalar low) {
  refuse_bool("clamp_min", i.common_dtype());
  pointwise("clamp_min", i, "maximum_scalar", {low});
}
void clamp_max(TensorIteratorBase& i, Scalar high) {
  refuse_bool("clamp_max", i.common_dtype());
  pointwise("clamp_max", i, "minimum_scalar", {high});
}

void logical_not(TensorIteratorBase& i) {
  pointwise("logical_not", i, "logical_not", {},
            {.result = Result::kBool, .type = i.dtype(1)});
}
// Each operand by its own type: two calls, when those differ.
void logical(const char* op, TensorIterator& i, const char* kernel) {
  pointwise(op, i, kernel, {}, kCompare);
}
void logical_and(TensorIterator& i) { logical("logical_and", i, "logical_and"); }
void logical_or(TensorIterator& i) { logical("logical_or", i, "logical_or"); }
void logical_xor(TensorIterator& i) { logical("logical_xor", i, "logical_xor"); }

void bitwise_not(TensorIteratorBase& i) { pointwise("bitwise_not", i, "bitwise_not"); }
void bitwise_and(TensorIteratorBase& i) { pointwise("bitwise_and", i, "bitwise_and"); }
void bitwise_or(TensorIteratorBase& i) { pointwise("bitwise_or", i, "bitwise_or"); }
void bitwise_xor(TensorIteratorBase& i) { pointwise("bitwise_xor", i, "bitwise_xor"); }
void lshift(TensorIteratorBase& i) { pointwise("bitwise_left_shift", i, "lshift"); }
void rshift(TensorIteratorBase& i) { pointwise("bitwise_right_shift", i, "rshift"); }

} // namespace
} // namespace xpu_lite::aten::sycl

namespace at::native {
using namespace xpu_lite::aten; // NOLINT
REGISTER_PRIVATEUSE1_DISPATCH(eq_stub, &sycl::eq)
REGISTER_PRIVATEUSE1_DISPATCH(ne_stub, &sycl::ne)
REGISTER_PRIVATEUSE1_DISPATCH(lt_stub, &sycl::lt)
REGISTER_PRIVATEUSE1_DISPATCH(le_stub, &sycl::le)
REGISTER_PRIVATEUSE1_DISPATCH(gt_stub, &sycl::gt)
REGISTER_PRIVATEUSE1_DISPATCH(ge_stub, &sycl::ge)
REGISTER_PRIVATEUSE1_DISPATCH(maximum_stub, &sycl::maximum)
REGISTER_PRIVATEUSE1_DISPATCH(minimum_stub, &sycl::minimum)
REGISTER_PRIVATEUSE1_DISPATCH(fmax_stub, &sycl::fmax)
REGISTER_PRIVATEUSE1_DISPATCH(fmin_stub, &sycl::fmin)
REGISTER_PRIVATEUSE1_DISPATCH(clamp_stub, &sycl::clamp)
REGISTER_PRIVATEUSE1_DISPATCH(clamp_scalar_stub, &sycl::clamp_scalar)
REGISTER_PRIVATEUSE1_DISPATCH(clamp_min_scalar_stub, &sycl::clamp_min)
REGISTER_PRIVATEUSE1_DISPATCH(clamp_max_scalar_stub, &sycl::clamp_max)
REGISTER_PRIVATEUSE1_DISPATCH(logical_not_stub, &sycl::logical_not)
REGISTER_PRIVATEUSE1_DISPATCH(logical_and_stub, &sycl::logical_and)
REGISTER_PRIVATEUSE1_DISPATCH(logical_or_stub, &sycl::logical_or)
REGISTER_PRIVATEUSE1_DISPATCH(logical_xor_stub, &sycl::logical_xor)
REGISTER_PRIVATEUSE1_DISPATCH(bitwise_not_stub, &sycl::bitwise_not)
REGISTER_PRIVATEUSE1_DISPATCH(bitwise_and_stub, &sycl::bitwise_and)
REGISTER_PRIVATEUSE1_DISPATCH(bitwise_or_stub, &sycl::bitwise_or)
REGISTER_PRIVATEUSE1_DISPATCH(bitwise_xor_stub, &sycl::bitwise_xor)
REGISTER_PRIVATEUSE1_DISPATCH(lshift_stub, &sycl::lshift)
REGISTER_PRIVATEUSE1_DISPATCH(rshift_stub, &sycl::rshift)
} // namespace at::native
