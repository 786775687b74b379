// Registration of the _foreach_* operators; the work is in foreach.h. Those with
// transcendental functions are not here: torch's loops over the tensors serve them.
// For every engine: see engine_kernels.h.

#include <torch/library.h>

#include <ATen/ops/_foreach_abs_native.h>
#include <ATen/ops/_foreach_add_native.h>
#include <ATen/ops/_foreach_addcdiv_native.h>
#include <ATen/ops/_foreach_addcmul_native.h>
#include <ATen/ops/_foreach_ceil_native.h>
#include <ATen/ops/_foreach_clamp_max_native.h>
#include <ATen/ops/_foreach_clamp_min_native.h>
#include <ATen/ops/_foreach_div_native.h>
#include <ATen/ops/_foreach_floor_native.h>
#include <ATen/ops/_foreach_frac_native.h>
#include <ATen/ops/_foreach_lerp_native.h>
#include <ATen/ops/_foreach_maximum_native.h>
#include <ATen/ops/_foreach_minimum_native.h>
#include <ATen/ops/_foreach_mul_native.h>
#include <ATen/ops/_foreach_neg_native.h>
#include <ATen/ops/_foreach_pow_native.h>
#include <ATen/ops/_foreach_reciprocal_native.h>
#include <ATen/ops/_foreach_round_native.h>
#include <ATen/ops/_foreach_rsqrt_native.h>
#include <ATen/ops/_foreach_sign_native.h>
#include <ATen/ops/_foreach_sqrt_native.h>
#include <ATen/ops/_foreach_sub_native.h>
#include <ATen/ops/_foreach_trunc_native.h>

#include "backend/aten/ops/foreach.h"

namespace xpu_lite::aten::foreach {

namespace native = at::native;
using Op = ElementwiseOp;

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("_foreach_add.Scalar",
         TORCH_FN((scalar<Op::AddScalar, native::foreach_tensor_add_scalar_kernel_slow>)));
  m.impl("_foreach_add_.Scalar",
         TORCH_FN((scalar_<Op::AddScalar, native::foreach_tensor_add_scalar_kernel_slow_>)));
  m.impl("_foreach_add.List",
         TORCH_FN((list_alpha<Op::Add, native::foreach_tensor_add_list_kernel_slow>)));
  m.impl("_foreach_add_.List",
         TORCH_FN((list_alpha_<Op::Add, native::foreach_tensor_add_list_kernel_slow_>)));
  m.impl("_foreach_add.ScalarList",
         TORCH_FN((scalar_list<Op::AddScalar, native::foreach_tensor_add_scalarlist_kernel_slow>)));
  m.impl("_foreach_add_.ScalarList",
         TORCH_FN((scalar_list_<Op::AddScalar, native::foreach_tensor_add_scalarlist_kernel_slow_>)));
  m.impl("_foreach_add.Tensor",
         TORCH_FN((tensor_alpha<Op::AddScalar, native::foreach_tensor_add_tensor_kernel_slow>)));
  m.impl("_foreach_add_.Tensor",
         TORCH_FN((tensor_alpha_<Op::AddScalar, native::foreach_tensor_add_tensor_kernel_slow_>)));
  m.impl("_foreach_sub.Scalar",
         TORCH_FN((scalar<Op::SubScalar, native::foreach_tensor_sub_scalar_kernel_slow>)));
  m.impl("_foreach_sub_.Scalar",
         TORCH_FN((scalar_<Op::SubScalar, native::foreach_tensor_sub_scalar_kernel_slow_>)));
  m.impl("_foreach_sub.List",
         TORCH_FN((list_alpha<Op::Sub, native::foreach_tensor_sub_list_kernel_slow>)));
  m.impl("_foreach_sub_.List",
         TORCH_FN((list_alpha_<Op::Sub, native::foreach_tensor_sub_list_kernel_slow_>)));
  m.impl("_foreach_sub.ScalarList",
         TORCH_FN((scalar_list<Op::SubScalar, native::foreach_tensor_sub_scalarlist_kernel_slow>)));
  m.impl("_foreach_sub_.ScalarList",
         TORCH_FN((scalar_list_<Op::SubScalar, native::foreach_tensor_sub_scalarlist_kernel_slow_>)));
  m.impl("_foreach_mul.Scalar",
         TORCH_FN((scalar<Op::MulScalar, native::foreach_tensor_mul_scalar_kernel_slow>)));
  m.impl("_foreach_mul_.Scalar",
         TORCH_FN((scalar_<Op::MulScalar, native::foreach_tensor_mul_scalar_kernel_slow_>)));
  m.impl("_foreach_mul.List",
         TORCH_FN((list<Op::Mul, native::foreach_tensor_mul_list_kernel_slow>)));
  m.impl("_foreach_mul_.List",
         TORCH_FN((list_<Op::Mul, native::foreach_tensor_mul_list_kernel_slow_>)));
  m.impl("_foreach_mul.ScalarList",
         TORCH_FN((scalar_list<Op::MulScalar, native::foreach_tensor_mul_scalarlist_kernel_slow>)));
  m.impl("_foreach_mul_.ScalarList",
         TORCH_FN((scalar_list_<Op::MulScalar, native::foreach_tensor_mul_scalarlist_kernel_slow_>)));
  m.impl("_foreach_mul.Tensor",
         TORCH_FN((tensor<Op::MulScalar, native::foreach_tensor_mul_tensor_kernel_slow>)));
  m.impl("_foreach_mul_.Tensor",
         TORCH_FN((tensor_<Op::MulScalar, native::foreach_tensor_mul_tensor_kernel_slow_>)));
  m.impl("_foreach_div.Scalar",
         TORCH_FN((scalar<Op::DivScalar, native::foreach_tensor_div_scalar_kernel_slow>)));
  m.impl("_foreach_div_.Scalar",
         TORCH_FN((scalar_<Op::DivScalar, native::foreach_tensor_div_scalar_kernel_slow_>)));
  m.impl("_foreach_div.List",
         TORCH_FN((list<Op::Div, native::foreach_tensor_div_list_kernel_slow>)));
  m.impl("_foreach_div_.List",
         TORCH_FN((list_<Op::Div, native::foreach_tensor_div_list_kernel_slow_>)));
  m.impl("_foreach_div.ScalarList",
         TORCH_FN((scalar_list<Op::DivScalar, native::foreach_tensor_div_scalarlist_kernel_slow>)));
  m.impl("_foreach_div_.ScalarList",
         TORCH_FN((scalar_list_<Op::DivScalar, native::foreach_tensor_div_scalarlist_kernel_slow_>)));
  m.impl("_foreach_div.Tensor",
         TORCH_FN((tensor<Op::DivScalar, native::foreach_tensor_div_tensor_kernel_slow>)));
  m.impl("_foreach_div_.Tensor",
         TORCH_FN((tensor_<Op::DivScalar, native::foreach_tensor_div_tensor_kernel_slow_>)));
  m.impl("_foreach_clamp_max.Scalar",
         TORCH_FN((scalar<Op::MinimumScalar, native::foreach_tensor_clamp_max_scalar_kernel_slow>)));
  m.impl("_foreach_clamp_max_.Scalar",
         TORCH_FN((scalar_<Op::MinimumScalar, native::foreach_tensor_clamp_max_scalar_kernel_slow_>)));
  m.impl("_foreach_clamp_max.List",
         TORCH_FN((list<Op::Minimum, native::foreach_tensor_clamp_max_list_kernel_slow>)));
  m.impl("_foreach_clamp_max_.List",
         TORCH_FN((list_<Op::Minimum, native::foreach_tensor_clamp_max_list_kernel_slow_>)));
  m.impl("_foreach_clamp_max.ScalarList",
         TORCH_FN((scalar_list<Op::MinimumScalar, native::foreach_tensor_clamp_max_scalarlist_kernel_slow>)));
  m.impl("_foreach_clamp_max_.ScalarList",
         TORCH_FN((scalar_list_<Op::MinimumScalar, native::foreach_tensor_clamp_max_scalarlist_kernel_slow_>)));
  m.impl("_foreach_clamp_min.Scalar",
         TORCH_FN((scalar<Op::MaximumScalar, native::foreach_tensor_clamp_min_scalar_kernel_slow>)));
  m.impl("_foreach_clamp_min_.Scalar",
         TORCH_FN((scalar_<Op::MaximumScalar, native::foreach_tensor_clamp_min_scalar_kernel_slow_>)));
  m.impl("_foreach_clamp_min.List",
         TORCH_FN((list<Op::Maximum, native::foreach_tensor_clamp_min_list_kernel_slow>)));
  m.impl("_foreach_clamp_min_.List",
         TORCH_FN((list_<Op::Maximum, native::foreach_tensor_clamp_min_list_kernel_slow_>)));
  m.impl("_foreach_clamp_min.ScalarList",
         TORCH_FN((scalar_list<Op::MaximumScalar, native::foreach_tensor_clamp_min_scalarlist_kernel_slow>)));
  m.impl("_foreach_clamp_min_.ScalarList",
         TORCH_FN((scalar_list_<Op::MaximumScalar, native::foreach_tensor_clamp_min_scalarlist_kernel_slow_>)));
  m.impl("_foreach_maximum.Scalar",
         TORCH_FN((scalar<Op::MaximumScalar, native::foreach_tensor_clamp_min_scalar_kernel_slow>)));
  m.impl("_foreach_maximum_.Scalar",
         TORCH_FN((scalar_<Op::MaximumScalar, native::foreach_tensor_clamp_min_scalar_kernel_slow_>)));
  m.impl("_foreach_maximum.List",
         TORCH_FN((list<Op::Maximum, native::foreach_tensor_clamp_min_list_kernel_slow>)));
  m.impl("_foreach_maximum_.List",
         TORCH_FN((list_<Op::Maximum, native::foreach_tensor_clamp_min_list_kernel_slow_>)));
  m.impl("_foreach_maximum.ScalarList",
         TORCH_FN((scalar_list<Op::MaximumScalar, native::foreach_tensor_clamp_min_scalarlist_kernel_slow>)));
  m.impl("_foreach_maximum_.ScalarList",
         TORCH_FN((scalar_list_<Op::MaximumScalar, native::foreach_tensor_clamp_min_scalarlist_kernel_slow_>)));
  m.impl("_foreach_minimum.Scalar",
         TORCH_FN((scalar<Op::MinimumScalar, native::foreach_tensor_clamp_max_scalar_kernel_slow>)));
  m.impl("_foreach_minimum_.Scalar",
         TORCH_FN((scalar_<Op::MinimumScalar, native::foreach_tensor_clamp_max_scalar_kernel_slow_>)));
  m.impl("_foreach_minimum.List",
         TORCH_FN((list<Op::Minimum, native::foreach_tensor_clamp_max_list_kernel_slow>)));
  m.impl("_foreach_minimum_.List",
         TORCH_FN((list_<Op::Minimum, native::foreach_tensor_clamp_max_list_kernel_slow_>)));
  m.impl("_foreach_minimum.ScalarList",
         TORCH_FN((scalar_list<Op::MinimumScalar, native::foreach_tensor_clamp_max_scalarlist_kernel_slow>)));
  m.impl("_foreach_minimum_.ScalarList",
         TORCH_FN((scalar_list_<Op::MinimumScalar, native::foreach_tensor_clamp_max_scalarlist_kernel_slow_>)));
  m.impl("_foreach_pow.Scalar",
         TORCH_FN((scalar<Op::PowScalar, native::foreach_tensor_pow_scalar_kernel_slow>)));
  m.impl("_foreach_pow_.Scalar",
         TORCH_FN((scalar_<Op::PowScalar, native::foreach_tensor_pow_scalar_kernel_slow_>)));
  m.impl("_foreach_pow.List",
         TORCH_FN((list<Op::Pow, native::foreach_tensor_pow_list_kernel_slow>)));
  m.impl("_foreach_pow_.List",
         TORCH_FN((list_<Op::Pow, native::foreach_tensor_pow_list_kernel_slow_>)));
  m.impl("_foreach_pow.ScalarList",
         TORCH_FN((scalar_list<Op::PowScalar, native::foreach_tensor_pow_scalarlist_kernel_slow>)));
  m.impl("_foreach_pow_.ScalarList",
         TORCH_FN((scalar_list_<Op::PowScalar, native::foreach_tensor_pow_scalarlist_kernel_slow_>)));
  m.impl("_foreach_pow.ScalarAndTensor",
         TORCH_FN((scalar_and_list<Op::ScalarPow, native::foreach_scalar_pow_list_kernel_slow>)));
  m.impl("_foreach_addcmul.Scalar",
         TORCH_FN((ternary_scalar<Op::Addcmul, native::foreach_tensor_addcmul_scalar_slow>)));
  m.impl("_foreach_addcmul_.Scalar",
         TORCH_FN((ternary_scalar_<Op::Addcmul, native::foreach_tensor_addcmul_scalar_slow_>)));
  m.impl("_foreach_addcmul.ScalarList",
         TORCH_FN((ternary_scalar_list<Op::Addcmul, native::foreach_tensor_addcmul_scalarlist_slow>)));
  m.impl("_foreach_addcmul_.ScalarList",
         TORCH_FN((ternary_scalar_list_<Op::Addcmul, native::foreach_tensor_addcmul_scalarlist_slow_>)));
  m.impl("_foreach_addcmul.Tensor",
         TORCH_FN((ternary_tensor<Op::Addcmul, native::foreach_tensor_addcmul_tensor_slow>)));
  m.impl("_foreach_addcmul_.Tensor",
         TORCH_FN((ternary_tensor_<Op::Addcmul, native::foreach_tensor_addcmul_tensor_slow_>)));
  m.impl("_foreach_addcdiv.Scalar",
         TORCH_FN((ternary_scalar<Op::Addcdiv, native::foreach_tensor_addcdiv_scalar_slow>)));
  m.impl("_foreach_addcdiv_.Scalar",
         TORCH_FN((ternary_scalar_<Op::Addcdiv, native::foreach_tensor_addcdiv_scalar_slow_>)));
  m.impl("_foreach_addcdiv.ScalarList",
         TORCH_FN((ternary_scalar_list<Op::Addcdiv, native::foreach_tensor_addcdiv_scalarlist_slow>)));
  m.impl("_foreach_addcdiv_.ScalarList",
         TORCH_FN((ternary_scalar_list_<Op::Addcdiv, native::foreach_tensor_addcdiv_scalarlist_slow_>)));
  m.impl("_foreach_addcdiv.Tensor",
         TORCH_FN((ternary_tensor<Op::Addcdiv, native::foreach_tensor_addcdiv_tensor_slow>)));
  m.impl("_foreach_addcdiv_.Tensor",
         TORCH_FN((ternary_tensor_<Op::Addcdiv, native::foreach_tensor_addcdiv_tensor_slow_>)));
  m.impl("_foreach_lerp.List",
         TORCH_FN((ternary<Op::Lerp, native::foreach_tensor_ternary_lerp_slow>)));
  m.impl("_foreach_lerp_.List",
         TORCH_FN((ternary_<Op::Lerp, native::foreach_tensor_ternary_lerp_slow_>)));
  m.impl("_foreach_lerp.Scalar",
         TORCH_FN((list_alpha<Op::LerpScalar, native::foreach_tensor_lerp_list_kernel_slow>)));
  m.impl("_foreach_lerp_.Scalar",
         TORCH_FN((list_alpha_<Op::LerpScalar, native::foreach_tensor_lerp_list_kernel_slow_>)));
  m.impl("_foreach_lerp.ScalarList",
         TORCH_FN((list_scalar_list<Op::LerpScalar, native::foreach_tensor_lerp_scalarlist_kernel_slow>)));
  m.impl("_foreach_lerp_.ScalarList",
         TORCH_FN((list_scalar_list_<Op::LerpScalar, native::foreach_tensor_lerp_scalarlist_kernel_slow_>)));
  m.impl("_foreach_abs", TORCH_FN((unary<Op::Abs, native::foreach_tensor_abs_slow>)));
  m.impl("_foreach_abs_", TORCH_FN((unary_<Op::Abs, native::foreach_tensor_abs_slow_>)));
  m.impl("_foreach_neg", TORCH_FN((unary<Op::Neg, native::foreach_tensor_neg_slow>)));
  m.impl("_foreach_neg_", TORCH_FN((unary_<Op::Neg, native::foreach_tensor_neg_slow_>)));
  m.impl("_foreach_sign", TORCH_FN((unary<Op::Sign, native::foreach_tensor_sign_slow>)));
  m.impl("_foreach_sign_", TORCH_FN((unary_<Op::Sign, native::foreach_tensor_sign_slow_>)));
  m.impl("_foreach_sqrt", TORCH_FN((unary<Op::Sqrt, native::foreach_tensor_sqrt_slow>)));
  m.impl("_foreach_sqrt_", TORCH_FN((unary_<Op::Sqrt, native::foreach_tensor_sqrt_slow_>)));
  m.impl("_foreach_rsqrt", TORCH_FN((unary<Op::Rsqrt, native::foreach_tensor_rsqrt_slow>)));
  m.impl("_foreach_rsqrt_",
         TORCH_FN((unary_<Op::Rsqrt, native::foreach_tensor_rsqrt_slow_>)));
  m.impl("_foreach_reciprocal",
         TORCH_FN((unary<Op::Reciprocal, native::foreach_tensor_reciprocal_slow>)));
  m.impl("_foreach_reciprocal_",
         TORCH_FN((unary_<Op::Reciprocal, native::foreach_tensor_reciprocal_slow_>)));
  m.impl("_foreach_ceil", TORCH_FN((unary<Op::Ceil, native::foreach_tensor_ceil_slow>)));
  m.impl("_foreach_ceil_", TORCH_FN((unary_<Op::Ceil, native::foreach_tensor_ceil_slow_>)));
  m.impl("_foreach_floor", TORCH_FN((unary<Op::Floor, native::foreach_tensor_floor_slow>)));
  m.impl("_foreach_floor_",
         TORCH_FN((unary_<Op::Floor, native::foreach_tensor_floor_slow_>)));
  m.impl("_foreach_round", TORCH_FN((unary<Op::Round, native::foreach_tensor_round_slow>)));
  m.impl("_foreach_round_",
         TORCH_FN((unary_<Op::Round, native::foreach_tensor_round_slow_>)));
  m.impl("_foreach_trunc", TORCH_FN((unary<Op::Trunc, native::foreach_tensor_trunc_slow>)));
  m.impl("_foreach_trunc_",
         TORCH_FN((unary_<Op::Trunc, native::foreach_tensor_trunc_slow_>)));
  m.impl("_foreach_frac", TORCH_FN((unary<Op::Frac, native::foreach_tensor_frac_slow>)));
  m.impl("_foreach_frac_", TORCH_FN((unary_<Op::Frac, native::foreach_tensor_frac_slow_>)));
  m.impl("_foreach_norm.Scalar", TORCH_FN(norm));
  m.impl("_foreach_max", TORCH_FN(max));
  m.impl("_foreach_zero_", TORCH_FN(zero_));
  m.impl("_foreach_copy_", TORCH_FN(copy_));
}

} // namespace xpu_lite::aten::foreach
