#pragma once

// The `_foreach_*` operators: one kernel for the whole list when the tensors are
// alike (lists_match), else torch's own loop over the tensors, `Slow`, which
// knows every rule of promotion, broadcasting and errors.
//
// One template per shape of signature; register_foreach.cpp fills in operator
// and loop. A trailing underscore is the in-place form.

#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Scalar.h>

#include "backend/aten/ops/tensor_lists.h"
#include "backend/cpu/kernels/elementwise.h"

namespace xpu_lite::aten::foreach {

using at::Scalar;
using at::Tensor;
using at::TensorList;
using cpu::ElementwiseOp;
using Scalars = at::ArrayRef<Scalar>;
using Tensors = std::vector<Tensor>;

// One launch: out[i] = op(a[i], b[i], c[i], s[i]). `b` and `c` may be empty;
// `scalars` holds one value or one per tensor.
void run(const char* name, ElementwiseOp op, TensorList out, TensorList a, TensorList b,
         TensorList c, Scalars scalars);
// The same with s = factor * scalar, read when the kernel runs.
void run_late(const char* name, ElementwiseOp op, TensorList out, TensorList a,
              const Tensor& scalar, double factor);

Tensors empty_like(TensorList self);

// Whether the kernel may serve these arguments.
bool fast(std::initializer_list<TensorList> lists);
bool fast_scalar(const Scalar& scalar);
bool fast_scalars(TensorList self, Scalars scalars);
bool fast_late(TensorList self, const Tensor& scalar);
// A tensor of one scalar per tensor of `self`, as torch wants it: on the CPU.
bool is_scalar_list(TensorList self, const Tensor& scalars);
std::vector<Scalar> scalar_list_of(const Tensor& scalars);
// pow() is libm's, one element after the other: worth it for small tensors only,
// such as the step counts of optimizers.
bool fast_pow(TensorList self);

constexpr bool is_pow(ElementwiseOp op) {
  return op == ElementwiseOp::Pow || op == ElementwiseOp::PowScalar ||
      op == ElementwiseOp::ScalarPow;
}

Tensors norm(TensorList self, const Scalar& ord, std::optional<at::ScalarType> dtype);
Tensors max(TensorList self);
void zero_(TensorList self);
void copy_(TensorList self, TensorList src, bool non_blocking);

// Makes both forms of an operator from the test that admits the kernel and the
// call that runs it. ARGS are the parameters after `self`, PASS their names.
#define XPU_LITE_FOREACH(SHAPE, ARGS, PASS, ADMIT, RUN)              \
  template <ElementwiseOp Op, auto Slow>                             \
  Tensors SHAPE ARGS {                                               \
    if (!(ADMIT)) return Slow PASS;                                  \
    Tensors out = empty_like(self);                                  \
    RUN;                                                             \
    return out;                                                      \
  }                                                                  \
  template <ElementwiseOp Op, auto Slow>                             \
  void SHAPE##_ ARGS {                                               \
    if (!(ADMIT)) return Slow PASS;                                  \
    TensorList out = self;                                           \
    RUN;                                                             \
    bump_versions(self);                                             \
  }

XPU_LITE_FOREACH(unary, (TensorList self), (self), fast({self}),
                 run("_foreach_unary", Op, out, self, {}, {}, Scalar(0)))

XPU_LITE_FOREACH(scalar, (TensorList self, const Scalar& value), (self, value),
                 fast({self}) && fast_scalar(value) && (!is_pow(Op) || fast_pow(self)),
                 run("_foreach_scalar", Op, out, self, {}, {}, value))

XPU_LITE_FOREACH(scalar_list, (TensorList self, Scalars values), (self, values),
                 fast({self}) && fast_scalars(self, values) &&
                     (!is_pow(Op) || fast_pow(self)),
                 run("_foreach_scalar_list", Op, out, self, {}, {}, values))

XPU_LITE_FOREACH(list, (TensorList self, TensorList other), (self, other),
                 fast({self, other}) && (!is_pow(Op) || fast_pow(self)),
                 run("_foreach_list", Op, out, self, other, {}, Scalar(0)))

XPU_LITE_FOREACH(list_alpha, (TensorList self, TensorList other, const Scalar& alpha),
                 (self, other, alpha), fast({self, other}) && fast_scalar(alpha),
                 run("_foreach_list", Op, out, self, other, {}, alpha))

XPU_LITE_FOREACH(tensor, (TensorList self, const Tensor& value), (self, value),
                 fast({self}) && fast_late(self, value),
                 run_late("_foreach_tensor", Op, out, self, value, 1))

XPU_LITE_FOREACH(tensor_alpha, (TensorList self, const Tensor& value, const Scalar& alpha),
                 (self, value, alpha),
                 fast({self}) && fast_late(self, value) && fast_scalar(alpha),
                 run_late("_foreach_tensor", Op, out, self, value, alpha.toDouble()))

XPU_LITE_FOREACH(ternary, (TensorList self, TensorList b, TensorList c), (self, b, c),
                 fast({self, b, c}),
                 run("_foreach_ternary", Op, out, self, b, c, Scalar(0)))

XPU_LITE_FOREACH(ternary_scalar,
                 (TensorList self, TensorList b, TensorList c, const Scalar& value),
                 (self, b, c, value), fast({self, b, c}) && fast_scalar(value),
                 run("_foreach_ternary", Op, out, self, b, c, value))

XPU_LITE_FOREACH(ternary_scalar_list,
                 (TensorList self, TensorList b, TensorList c, Scalars values),
                 (self, b, c, values), fast({self, b, c}) && fast_scalars(self, values),
                 run("_foreach_ternary", Op, out, self, b, c, values))

XPU_LITE_FOREACH(ternary_tensor,
                 (TensorList self, TensorList b, TensorList c, const Tensor& values),
                 (self, b, c, values),
                 fast({self, b, c}) && is_scalar_list(self, values),
                 run("_foreach_ternary", Op, out, self, b, c, scalar_list_of(values)))

XPU_LITE_FOREACH(list_scalar_list, (TensorList self, TensorList other, Scalars values),
                 (self, other, values), fast({self, other}) && fast_scalars(self, values),
                 run("_foreach_list", Op, out, self, other, {}, values))

#undef XPU_LITE_FOREACH

// s ** a[i]
template <ElementwiseOp Op, auto Slow>
Tensors scalar_and_list(const Scalar& value, TensorList exponent) {
  if (!fast({exponent}) || !fast_scalar(value) || !fast_pow(exponent)) {
    return Slow(value, exponent);
  }
  Tensors out = empty_like(exponent);
  run("_foreach_pow", Op, out, exponent, {}, {}, value);
  return out;
}

} // namespace xpu_lite::aten::foreach
