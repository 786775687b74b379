#include "backend/aten/ops/int8_linear.h"

#include <ATen/autocast_mode.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/where.h>

#include "backend/aten/ops/int8_operands.h"
#include "backend/aten/ops/packed_weights.h"
#include "backend/cpu/gemm/int8_gemm.h"

namespace xpu_lite::aten {
namespace {

using at::Tensor;
using Optional = std::optional<Tensor>;
constexpr const char* kInt8Linear = "xpu_lite::int8_linear";

void check_int8(const Tensor& input, const Tensor& weight, const Tensor& weight_scale,
                const Optional& input_scale, const Optional& input_zero,
                const Optional& input_factor, const Optional& output_scale, const Optional& output_zero,
                std::optional<at::ScalarType> out_dtype, const LinearTail& tail) {
  TORCH_CHECK(weight.dim() == 2 && weight.scalar_type() == at::kChar, "[", kInt8Linear,
              "] weight must be int8 of [out_features, in_features], got ", weight.scalar_type(),
              " of ", weight.sym_sizes());
  const auto n = weight.sym_size(0);
  check_linear(kInt8Linear, input, n, weight.sym_size(1), tail);
  TORCH_CHECK(weight.sym_size(1) <= 65536, "[", kInt8Linear, "] at most 65536 input features, got ",
              weight.sym_size(1));
  check_int8_scales(kInt8Linear, input, weight_scale, n, input_scale, input_zero, output_scale,
                    output_zero, out_dtype);
  if (given(input_factor)) {
    TORCH_CHECK(input.is_floating_point() && input_factor->dim() == 1 &&
                    input_factor->scalar_type() == at::kFloat &&
                    input_factor->sym_size(0) == weight.sym_size(1),
                "[", kInt8Linear, "] input_factor is for floating-point input and must be ",
                "float32 of [", weight.sym_size(1), "], got ", input_factor->scalar_type(), " of ",
                input_factor->sym_sizes());
  }
}

at::ScalarType result_type(const Tensor& input, const Optional& output_scale,
                           std::optional<at::ScalarType> out_dtype, const LinearTail& tail) {
  if (given(output_scale)) return out_dtype.value_or(at::kByte);
  if (out_dtype) return *out_dtype;
  return tail_type(input.is_floating_point() ? input.scalar_type() : at::kFloat, tail);
}

// What the GEMM sees of the input, as floats.
Tensor dequantised_input(const Tensor& input, const Optional& scale, const Optional& zero,
                         const Optional& factor) {
  const bool is_float = input.is_floating_point();
  Tensor x = input.to(at::kFloat);
  if (!is_float) return (given(zero) ? x.sub(*zero) : x).mul(*scale);
  if (given(factor)) x = x.mul(*factor);
  Tensor step, origin;
  if (given(scale)) {
    step = *scale;
    origin = given(zero) ? zero->to(at::kFloat) : Tensor();
  } else {
    const Tensor low = x.amin(-1, true).clamp_max(0), high = x.amax(-1, true).clamp_min(0);
    const Tensor range = high.sub(low);
    step = at::where(range.gt(0), range.div(255), range.new_ones({}));
    origin = low.neg().mul(step.reciprocal()).round();
  }
  Tensor q = x.mul(step.reciprocal());
  if (origin.defined()) q = q.add(origin);
  q = at::clamp(q.round(), 0, 255);
  return (origin.defined() ? q.sub(origin) : q).mul(step);
}

} // namespace

Tensor int8_linear_composed(XPU_LITE_INT8_ARGUMENTS) {
  const LinearTail tail{bias, activation, add, add_first, mul};
  check_int8(input, weight, weight_scale, input_scale, input_zero, input_factor, output_scale,
             output_zero, out_dtype, tail);
  const auto type = result_type(input, output_scale, out_dtype, tail);
  const Tensor x = dequantised_input(input, input_scale, input_zero, input_factor);
  const Tensor w = weight.to(at::kFloat).mul(weight_scale.unsqueeze(1));
  Tensor y = at::linear(x, w, given(bias) ? Optional(bias->to(at::kFloat)) : Optional());
  y = apply_tail(y, tail);
  if (!given(output_scale)) return y.to(type);
  y = y.div(*output_scale).round();
  if (given(output_zero)) y = y.add(*output_zero);
  const bool is_signed = type == at::kChar;
  return at::clamp(y, is_signed ? -128 : 0, is_signed ? 127 : 255).to(type);
}

Tensor int8_linear_meta(XPU_LITE_INT8_ARGUMENTS) {
  const LinearTail tail{bias, activation, add, add_first, mul};
  check_int8(input, weight, weight_scale, input_scale, input_zero, input_factor, output_scale,
             output_zero, out_dtype, tail);
  return input.new_empty_symint(linear_sizes(input, weight.sym_size(0)),
                                result_type(input, output_scale, out_dtype, tail));
}

Tensor int8_linear_host(XPU_LITE_INT8_ARGUMENTS) {
  namespace gemm = cpu::gemm;
  const LinearTail tail{bias, activation, add, add_first, mul};
  check_int8(input, weight, weight_scale, input_scale, input_zero, input_factor, output_scale,
             output_zero, out_dtype, tail);
  const auto composed = [&] {
    return int8_linear_composed(input, weight, weight_scale, bias, input_scale, input_zero,
                                input_factor, activation, add, add_first, mul, output_scale, output_zero,
                                out_dtype);
  };
  const auto type = result_type(input, output_scale, out_dtype, tail);
  const auto in_type = int8_operand<gemm::Int8Input>(input.scalar_type());
  const auto c_type = int8_operand<gemm::Int8Output>(type);
  if (!in_type || !c_type) return composed();
  const auto side = [&](const Optional& t) { return given(t) ? &*t : &weight; };
  auto call = linear_call(input,
                          {&weight, &weight_scale, side(input_scale), side(input_zero),
                           side(input_factor), side(output_scale), side(output_zero)},
                          weight.size(0), type, tail);
  if (!call) return composed();
  return call->run(kInt8Linear, [&] {
    const auto& [n, k, a, epilogue, out, stream] = *call;
    const gemm::Int8Weight source{n, k, weight.const_data_ptr<int8_t>(), weight.stride(0),
                                  weight.stride(1)};
    const auto packed = packed_by(weight, at::kChar, gemm::int8_packed_bytes(n, k),
                                  [&](void* to) { gemm::int8_pack(source, to); });
    const Tensor scales = weight_scale.contiguous();
    gemm::Int8Gemm g{a.rows, n, k, a.tensor.const_data_ptr(), a.ld, *in_type, packed.get(),
                     out.mutable_data_ptr(), n, *c_type};
    if (given(input_scale)) g.a_scale = input_scale->const_data_ptr<float>();
    if (given(input_zero)) g.a_zero = input_zero->const_data_ptr<int32_t>();
    g.a_static = given(input_scale) && *in_type >= gemm::Int8Input::Float;
    const Tensor factors = given(input_factor) ? input_factor->contiguous() : Tensor();
    if (factors.defined()) g.a_factor = factors.const_data_ptr<float>();
    g.w_scale = scales.const_data_ptr<float>();
    if (given(output_scale)) g.c_scale = *output_scale->const_data_ptr<float>();
    if (given(output_zero)) g.c_zero = *output_zero->const_data_ptr<int32_t>();
    g.epilogue = epilogue.gemm;
    gemm::int8_gemm(g);
  });
}

Tensor int8_linear_autocast(XPU_LITE_INT8_ARGUMENTS) {
  static const auto op = typed_operator<decltype(int8_linear_host)>(kInt8Linear);
  c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastPrivateUse1);
  if (!out_dtype && !given(output_scale) && input.scalar_type() != at::kDouble) {
    // The input is quantised as it is; the result is of autocast's dtype, as linear's.
    out_dtype = tail_type(at::autocast::get_lower_precision_fp_from_device_type(kDevice),
                          {bias, activation, add, add_first, mul});
  }
  return op.call(input, weight, weight_scale, bias, input_scale, input_zero, input_factor,
                 activation, add,
                 add_first, mul, output_scale, output_zero, out_dtype);
}

} // namespace xpu_lite::aten
