#include "backend/aten/sycl/layer_norm.h"

#include <bit>
#include <limits>

#include <ATen/native/cpu/mixed_data_type.h>
#include <ATen/native/layer_norm.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include "backend/aten/sycl/norm_common.h"

namespace xpu_lite::aten::sycl {

namespace {

Tensor or_undefined(const OptionalTensor& t) { return given(t) ? *t : Tensor(); }

// The type of saved statistics, as on the CPU: float where parameters are float.
at::ScalarType statistics_type(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  const bool mixed = at::native::is_mixed_type(input, weight, bias);
  if (mixed) at::native::check_mixed_data_type(input, weight, bias);
  return at::native::param_scalar_type(input, mixed);
}

// What the backward of every row norm does. groups > 0 channels of `inner` elements.
struct Backward {
  const char* op;
  int64_t rows, length, groups, inner;
};

Tensor input_gradient(const Backward& b, const Tensor& grad, const Tensor& input,
                      const Tensor& mean, const Tensor& rstd, const Tensor& weight) {
  Tensor result = at::empty_like(input);
  const xpu::RowNormArgs a{in(input), in(grad), in_or_null(weight), nullptr, out(result),
                           out_or_null(mean), out_or_null(rstd), b.rows, b.length, b.groups,
                           b.inner, 0, 0};
  run(b.op, input,
      [&](Stream& stream) { xpu::row_norm_backward(stream, norm_type(b.op, input), a); });
  return result;
}

// Of weight and bias, in the accumulation type; outer rows, one channel per parameter.
std::pair<Tensor, Tensor> parameter_gradients(const Backward& b, const Tensor& grad,
                                              const Tensor& input, const Tensor& mean,
                                              const Tensor& rstd, bool weight, bool bias) {
  const int64_t channels = b.groups * b.length / b.inner;
  const auto options = input.options().dtype(accumulation_type(input));
  const Tensor grad_weight = weight ? at::empty({channels}, options) : Tensor();
  const Tensor grad_bias = bias ? at::empty({channels}, options) : Tensor();
  xpu::ChannelSumArgs a{};
  a.in = in(input), a.grad = in(grad);
  a.mean = in_or_null(mean), a.rstd = in_or_null(rstd);
  a.sum_grad = out_or_null(grad_bias), a.sum_grad_x = out_or_null(grad_weight);
  a.outer = b.rows / b.groups, a.channels = channels, a.inner = b.inner, a.groups = b.groups;
  channel_sums(b.op, norm_type(b.op, input), input, a);
  return {grad_weight, grad_bias};
}

Tensor shaped(const Tensor& gradient, at::IntArrayRef shape, at::ScalarType type) {
  return gradient.defined() ? gradient.to(type).reshape(shape) : Tensor();
}

std::vector<int64_t> statistics_shape(const Tensor& input, at::IntArrayRef shape) {
  auto sizes = input.sizes().vec();
  for (size_t d = sizes.size() - shape.size(); d < sizes.size(); ++d) sizes[d] = 1;
  return sizes;
}

} // namespace

std::tuple<Tensor, Tensor, Tensor> layer_norm(const Tensor& input, at::IntArrayRef shape,
                                              const OptionalTensor& weight_,
                                              const OptionalTensor& bias_, double eps) {
  constexpr const char* op = "native_layer_norm";
  const auto [rows, length] = at::native::_check_layer_norm_inputs(
      input, shape, or_undefined(weight_), or_undefined(bias_));
  const auto type = norm_type("LayerNormKernelImpl", input);
  const auto saved = statistics_type(input, or_undefined(weight_), or_undefined(bias_));
  const Tensor x = input.contiguous(), weight = parameter(weight_, x), bias = parameter(bias_, x);
  const auto options = x.options().dtype(accumulation_type(x));
  Tensor y = at::empty_like(x);
  const Tensor mean = at::empty(statistics_shape(input, shape), options);
  const Tensor rstd = at::empty(statistics_shape(input, shape), options);
  const xpu::RowNormArgs a{in(x), nullptr, in_or_null(weight), in_or_null(bias), out(y),
                           out(mean), out(rstd), rows, length, 1, 1,
                           static_cast<float>(eps), std::bit_cast<uint64_t>(eps)};
  run(op, x, [&](Stream& stream) { xpu::row_norm(stream, type, a); });
  return {y, mean.to(saved), rstd.to(saved)};
}

std::tuple<Tensor, Tensor, Tensor> layer_norm_backward(
    const Tensor& grad_, const Tensor& input_, at::IntArrayRef shape, const Tensor& mean_,
    const Tensor& rstd_, const OptionalTensor& weight_, const OptionalTensor& bias_,
    std::array<bool, 3> mask) {
  const auto [rows, length] = at::native::_check_layer_norm_inputs(
      input_, shape, or_undefined(weight_), or_undefined(bias_));
  const Backward b{"native_layer_norm_backward", rows, length, 1, 1};
  const Tensor input = input_.contiguous(), grad = grad_.to(input.scalar_type()).contiguous();
  const Tensor mean = parameter(mean_, input), rstd = parameter(rstd_, input);
  const Tensor weight = parameter(weight_, input);
  Tensor grad_input, grad_weight, grad_bias;
  if (mask[0]) grad_input = input_gradient(b, grad, input, mean, rstd, weight);
  if (mask[1] || mask[2]) {
    const auto of = [&](const OptionalTensor& t) {
      return given(t) ? t->scalar_type() : input.scalar_type();
    };
    const auto [w, s] = parameter_gradients(b, grad, input, mean, rstd, mask[1], mask[2]);
    grad_weight = shaped(w, shape, of(weight_));
    grad_bias = shaped(s, shape, given(bias_) ? of(bias_) : of(weight_));
  }
  return {grad_input, grad_weight, grad_bias};
}

std::tuple<Tensor, Tensor> rms_norm(const Tensor& input, at::IntArrayRef shape,
                                    const OptionalTensor& weight_, std::optional<double> eps_) {
  constexpr const char* op = "_fused_rms_norm";
  const auto [rows, length] =
      at::native::_check_layer_norm_inputs(input, shape, or_undefined(weight_), Tensor());
  const auto type = norm_type("rms_norm", input);
  const Tensor x = input.contiguous(), weight = parameter(weight_, x);
  const double eps = eps_.value_or(x.scalar_type() == at::kDouble
                                       ? std::numeric_limits<double>::epsilon()
                                       : std::numeric_limits<float>::epsilon());
  Tensor y = at::empty_like(x);
  Tensor rstd =
      at::empty(statistics_shape(input, shape), x.options().dtype(accumulation_type(x)));
  const xpu::RowNormArgs a{in(x), nullptr, in_or_null(weight), nullptr, out(y), nullptr,
                           out(rstd), rows, length, 1, 1, static_cast<float>(eps),
                           std::bit_cast<uint64_t>(eps)};
  run(op, x, [&](Stream& stream) { xpu::row_norm(stream, type, a); });
  if (y.numel() == 0 && weight.defined()) y = y.mul(weight.to(y.scalar_type())); // its strides
  return {y, rstd};
}

std::tuple<Tensor, Tensor> rms_norm_backward(const Tensor& grad_, const Tensor& input_,
                                             at::IntArrayRef shape, const Tensor& rstd_,
                                             const OptionalTensor& weight_,
                                             std::array<bool, 2> mask) {
  const auto [rows, length] =
      at::native::_check_layer_norm_inputs(input_, shape, or_undefined(weight_), Tensor());
  const Backward b{"_fused_rms_norm_backward", rows, length, 1, 1};
  const Tensor input = input_.contiguous(), grad = grad_.to(input.scalar_type()).contiguous();
  const Tensor rstd = parameter(rstd_, input), weight = parameter(weight_, input);
  Tensor grad_input, grad_weight;
  if (mask[0]) grad_input = input_gradient(b, grad, input, Tensor(), rstd, weight);
  if (mask[1] && given(weight_)) {
    const auto [w, s] = parameter_gradients(b, grad, input, Tensor(), rstd, true, false);
    grad_weight = shaped(w, shape, weight_->scalar_type());
  }
  return {grad_input, grad_weight};
}

std::tuple<Tensor, Tensor, Tensor> group_norm(const Tensor& input, const OptionalTensor& weight_,
                                              const OptionalTensor& bias_, int64_t n, int64_t c,
                                              int64_t hw, int64_t groups, double eps) {
  constexpr const char* op = "native_group_norm";
  TORCH_CHECK(groups > 0, "Expected num groups to be greater than 0, got ", groups);
  TORCH_CHECK(c % groups == 0, "Expected number of channels in input to be divisible by ",
              "num_groups, but got input of shape ", input.sizes(), " and num_groups=", groups);
  TORCH_CHECK(input.numel() == n * c * hw, op, ": expected N * C * HxW = ", n * c * hw,
              " elements, got input of shape ", input.sizes());
  for (const OptionalTensor* t : {&weight_, &bias_}) {
    TORCH_CHECK(!given(*t) || ((*t)->dim() == 1 && (*t)->numel() == c),
                "Expected weight and bias to be vectors of size equal to the number of ",
                "channels in input, but got one of shape ",
                given(*t) ? (*t)->sizes() : at::IntArrayRef(),
                " and input of shape ", input.sizes());
  }
  const auto type = norm_type("GroupNormKernelImpl", input);
  const auto saved = statistics_type(input, or_undefined(weight_), or_undefined(bias_));
  const Tensor x = input.contiguous(), weight = parameter(weight_, x), bias = parameter(bias_, x);
  const auto options = x.options().dtype(accumulation_type(x));
  Tensor y = at::empty_like(x);
  const Tensor mean = at::empty({n, groups}, options), rstd = at::empty({n, groups}, options);
  const xpu::RowNormArgs a{in(x), nullptr, in_or_null(weight), in_or_null(bias), out(y),
                           out(mean), out(rstd), n * groups, c / groups * hw, groups, hw,
                           static_cast<float>(eps), std::bit_cast<uint64_t>(eps)};
  run(op, x, [&](Stream& stream) { xpu::row_norm(stream, type, a); });
  return {y.contiguous(input.suggest_memory_format()), mean.to(saved), rstd.to(saved)};
}

std::tuple<Tensor, Tensor, Tensor> group_norm_backward(
    const Tensor& grad_, const Tensor& input_, const Tensor& mean_, const Tensor& rstd_,
    const OptionalTensor& weight_, int64_t n, int64_t c, int64_t hw, int64_t groups,
    std::array<bool, 3> mask) {
  const Backward b{"native_group_norm_backward", n * groups, c / groups * hw, groups, hw};
  TORCH_CHECK(grad_.scalar_type() == input_.scalar_type(),
              "Expected scalar type ", input_.scalar_type(), " but found ", grad_.scalar_type());
  TORCH_CHECK(mean_.numel() == n * groups && rstd_.numel() == n * groups, b.op,
              ": expected mean and rstd of ", n * groups, " elements, got ", mean_.sizes(),
              " and ", rstd_.sizes());
  const Tensor input = input_.contiguous(), grad = grad_.contiguous();
  const Tensor mean = parameter(mean_, input), rstd = parameter(rstd_, input);
  const Tensor weight = parameter(weight_, input);
  Tensor grad_input, grad_weight, grad_bias;
  if (mask[0]) {
    grad_input = input_gradient(b, grad, input, mean, rstd, weight)
                     .contiguous(input_.suggest_memory_format());
  }
  if (mask[1] || mask[2]) {
    const auto type = given(weight_) ? weight_->scalar_type() : input.scalar_type();
    const auto [w, s] = parameter_gradients(b, grad, input, mean, rstd, mask[1], mask[2]);
    grad_weight = shaped(w, {c}, type), grad_bias = shaped(s, {c}, type);
  }
  return {grad_input, grad_weight, grad_bias};
}

} // namespace xpu_lite::aten::sycl
