#include "backend/aten/ops/int8_operands.h"

namespace xpu_lite::aten {

using at::Tensor;

void check_int8_scalar(const char* name, const char* which, const std::optional<Tensor>& value,
                  at::ScalarType type) {
  if (!given(value)) return;
  TORCH_CHECK(value->sym_numel() == 1 && value->scalar_type() == type, "[", name, "] ", which,
              " must be one ", type, ", got ", value->sym_sizes(), " of ", value->scalar_type());
}

void check_int8_scales(const char* name, const Tensor& input, const Tensor& weight_scale,
                       const at::SymInt& n, const std::optional<Tensor>& input_scale,
                       const std::optional<Tensor>& input_zero,
                       const std::optional<Tensor>& output_scale,
                       const std::optional<Tensor>& output_zero,
                       std::optional<at::ScalarType> out_dtype) {
  TORCH_CHECK(weight_scale.dim() == 1 && weight_scale.sym_size(0) == n &&
                  weight_scale.scalar_type() == at::kFloat,
              "[", name, "] weight_scale must be float32 of [", n, "], got ",
              weight_scale.scalar_type(), " of ", weight_scale.sym_sizes());
  TORCH_CHECK(input.is_floating_point() || is_byte(input.scalar_type()), "[", name,
              "] input must be of a floating-point dtype, uint8 or int8, got ",
              input.scalar_type());
  TORCH_CHECK(input.is_floating_point() || given(input_scale), "[", name, "] input of ",
              input.scalar_type(), " needs input_scale");
  check_int8_scalar(name, "input_scale", input_scale, at::kFloat);
  check_int8_scalar(name, "input_zero", input_zero, at::kInt);
  check_int8_scalar(name, "output_scale", output_scale, at::kFloat);
  check_int8_scalar(name, "output_zero", output_zero, at::kInt);
  TORCH_CHECK(!given(input_zero) || given(input_scale), "[", name,
              "] input_zero without input_scale");
  TORCH_CHECK(!given(output_zero) || given(output_scale), "[", name,
              "] output_zero without output_scale");
  if (!out_dtype) return;
  if (given(output_scale)) {
    TORCH_CHECK(is_byte(*out_dtype), "[", name,
                "] output_scale is for an out_dtype of uint8 or int8, got ", *out_dtype);
  } else {
    TORCH_CHECK(at::isFloatingType(*out_dtype), "[", name, "] out_dtype ", *out_dtype,
                " needs output_scale");
  }
}

} // namespace xpu_lite::aten
