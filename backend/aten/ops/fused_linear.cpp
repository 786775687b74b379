#include "backend/aten/ops/fused_linear.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/linear.h>

#include "backend/aten/core/weight_casts.h"
#include "backend/aten/ops/linear_operands.h"
#include "backend/aten/ops/packed_weights.h"

namespace xpu_lite::aten {
namespace {

using at::Tensor;
constexpr const char* kLinear = "xpu_lite::linear";

void check_fused_linear(const Tensor& input, const Tensor& weight, const LinearTail& tail) {
  TORCH_CHECK(weight.dim() == 2, "[", kLinear, "] weight must be [out_features, in_features], got ",
              weight.sym_sizes());
  check_linear(kLinear, input, weight.sym_size(0), weight.sym_size(1), tail);
  TORCH_CHECK(input.scalar_type() == weight.scalar_type() &&
                  (!given(tail.bias) ||
                   tail.bias->scalar_type() == weight.scalar_type()),
              "[", kLinear, "] input, weight and bias must have one dtype, got ",
              input.scalar_type(), ", ", weight.scalar_type(),
              given(tail.bias)
                  ? std::string(" and ") + c10::toString(tail.bias->scalar_type())
                  : std::string());
  TORCH_CHECK(input.device() == weight.device(), "[", kLinear, "] input is on ", input.device(),
              " but weight is on ", weight.device());
}

} // namespace

Tensor fused_linear_composed(XPU_LITE_LINEAR_ARGUMENTS) {
  const LinearTail tail{bias, activation, add, add_first, mul};
  check_fused_linear(input, weight, tail);
  const auto type = tail_type(input.scalar_type(), tail);
  if (type == input.scalar_type()) return apply_tail(at::linear(input, weight, bias), tail);
  // The result's dtype is a wider one: so are the sums.
  const auto wide_bias = given(bias) ? std::optional<Tensor>(bias->to(type)) : std::nullopt;
  return apply_tail(at::linear(input.to(type), weight.to(type), wide_bias), tail);
}

Tensor fused_linear_meta(XPU_LITE_LINEAR_ARGUMENTS) {
  const LinearTail tail{bias, activation, add, add_first, mul};
  check_fused_linear(input, weight, tail);
  return input.new_empty_symint(linear_sizes(input, weight.sym_size(0)),
                                tail_type(input.scalar_type(), tail));
}

Tensor fused_linear_host(XPU_LITE_LINEAR_ARGUMENTS) {
  const LinearTail tail{bias, activation, add, add_first, mul};
  check_fused_linear(input, weight, tail);
  const auto dtype = gemm_type(input.scalar_type());
  const auto type = tail_type(input.scalar_type(), tail);
  auto call = dtype && gemm_type(type) ? linear_call(input, {&weight}, weight.size(0), type, tail)
                                       : std::nullopt;
  if (!call) return apply_tail(at::linear(input, weight, bias), tail);
  return call->run(kLinear, [&] {
    const auto packed = packed_form(weight.t(), *dtype);
    cpu::gemm::gemm({*dtype, call->a.rows, call->n, call->k, call->a.tensor.const_data_ptr(),
                     call->a.ld, packed.get(), call->out.mutable_data_ptr(), call->n,
                     *gemm_type(type), call->epilogue.gemm});
  });
}

Tensor fused_linear_autograd(XPU_LITE_LINEAR_ARGUMENTS) {
  if (wants_gradient({&input, &weight}, {bias, activation, add, add_first, mul})) {
    return fused_linear_composed(input, weight, bias, activation, add, add_first, mul);
  }
  static const auto op = typed_operator<decltype(fused_linear_host)>(kLinear);
  at::AutoDispatchBelowADInplaceOrView below;
  return op.call(input, weight, bias, activation, add, add_first, mul);
}

Tensor fused_linear_autocast(XPU_LITE_LINEAR_ARGUMENTS) {
  static const auto op = typed_operator<decltype(fused_linear_host)>(kLinear);
  c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastPrivateUse1);
  const auto to = at::autocast::get_lower_precision_fp_from_device_type(kDevice);
  return op.call(at::autocast::cached_cast(to, input, kDevice), cast_weight(weight, to),
                 cast_weight(bias, to), activation, add, add_first, mul);
}

} // namespace xpu_lite::aten
