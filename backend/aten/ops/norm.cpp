#include "backend/aten/ops/norm.h"

#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mul.h>
#include <c10/util/accumulate.h>

#include "backend/aten/core/launch.h"
#include "backend/cpu/kernels/batch_norm.h"

namespace xpu_lite::aten {

namespace {

using at::Tensor;

bool is_given(const std::optional<Tensor>& t) { return t.has_value() && t->defined(); }

cpu::NormType norm_type(const char* op, const Tensor& t) {
  switch (t.scalar_type()) {
    case at::kFloat: return cpu::NormType::Float;
    case at::kDouble: return cpu::NormType::Double;
    case at::kBFloat16: return cpu::NormType::BFloat16;
    case at::kHalf: return cpu::NormType::Half;
    default:
      TORCH_CHECK_NOT_IMPLEMENTED(false, "\"", op, "\" not implemented for '", t.scalar_type(), "'");
  }
}

at::ScalarType statistic_type(const Tensor& t) {
  return t.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// A tensor as [outer, channels, inner], in its own memory format if that is dense.
struct Channels {
  Channels(const char* op, const Tensor& input) : format(input.suggest_memory_format()) {
    TORCH_CHECK(input.dim() >= 2, "[", op, "] expected an input [batch, channels, ...], got ",
                input.sizes());
    shape.channels = input.size(1);
    const bool last = format != at::MemoryFormat::Contiguous;
    shape.inner = 1;
    if (!last) {
      for (int64_t d = 2; d < input.dim(); ++d) shape.inner *= input.size(d);
    }
    const int64_t rest = shape.channels * shape.inner;
    shape.outer = rest == 0 ? 0 : input.numel() / rest;
  }
  at::MemoryFormat format;
  cpu::ChannelShape shape;
};

// A vector with one element per channel, dense, of the type that the kernel reads.
Tensor per_channel(const char* op, const char* name, const Tensor& t, int64_t channels,
                   at::ScalarType type, const Tensor& input) {
  TORCH_CHECK(t.numel() == channels, "[", op, "] expected ", name, " to have ", channels,
              " elements, got ", t.sizes());
  TORCH_CHECK(t.device() == input.device(), "[", op, "] expected ", name, " on ",
              input.device(), ", got ", t.device());
  return t.to(type).contiguous();
}

} // namespace

std::tuple<Tensor, Tensor> batch_norm_stats(const Tensor& input_, double eps) {
  constexpr const char* op = "batch_norm_stats";
  const cpu::NormType type = norm_type(op, input_);
  const Channels c(op, input_);
  const Tensor input = input_.contiguous(c.format);
  const auto options = input.options().dtype(statistic_type(input));
  Tensor mean = at::empty({c.shape.channels}, options);
  Tensor invstd = at::empty({c.shape.channels}, options);
  const cpu::BatchNormStats p{c.shape, input.const_data_ptr(), eps, mean.data_ptr(),
                              invstd.data_ptr()};
  launch(op, {input, mean, invstd}, [p, type] { cpu::batch_norm_stats(p, type); });
  return {std::move(mean), std::move(invstd)};
}

Tensor batch_norm_elemt(const Tensor& input_, const std::optional<Tensor>& weight_,
                        const std::optional<Tensor>& bias_, const Tensor& mean_,
                        const Tensor& invstd_, double /*eps: already in invstd*/) {
  constexpr const char* op = "batch_norm_elemt";
  const cpu::NormType type = norm_type(op, input_);
  const Channels c(op, input_);
  const Tensor input = input_.contiguous(c.format);
  const at::ScalarType statistic = statistic_type(input);
  const int64_t n = c.shape.channels;
  const Tensor mean = per_channel(op, "mean", mean_, n, statistic, input);
  const Tensor invstd = per_channel(op, "invstd", invstd_, n, statistic, input);
  Tensor weight = mean, bias = mean; // something to keep alive
  Tensor out = at::empty_like(input, c.format);
  cpu::BatchNormApply p;
  p.shape = c.shape;
  if (is_given(weight_)) {
    weight = per_channel(op, "weight", *weight_, n, at::kDouble, input);
    p.weight = weight.const_data_ptr<double>();
  }
  if (is_given(bias_)) {
    bias = per_channel(op, "bias", *bias_, n, at::kDouble, input);
    p.bias = bias.const_data_ptr<double>();
  }
  p.input = input.const_data_ptr(), p.out = out.data_ptr();
  p.mean = mean.const_data_ptr(), p.invstd = invstd.const_data_ptr();
  launch(op, {input, mean, invstd, weight, bias, out},
         [p, type] { cpu::batch_norm_apply(p, type); });
  return out;
}

Tensor& batch_norm_elemt_out(const Tensor& input, const std::optional<Tensor>& weight,
                             const std::optional<Tensor>& bias, const Tensor& mean,
                             const Tensor& invstd, double eps, Tensor& out) {
  const Tensor result = aten::batch_norm_elemt(input, weight, bias, mean, invstd, eps);
  if (out.sizes() != result.sizes()) out.resize_(result.sizes());
  return out.copy_(result);
}

std::tuple<Tensor, Tensor> batch_norm_gather_stats_with_counts(
    const Tensor& input, const Tensor& mean, const Tensor& invstd,
    const std::optional<Tensor>& running_mean, const std::optional<Tensor>& running_var,
    double momentum, double eps, const Tensor& counts) {
  constexpr const char* op = "batch_norm_gather_stats_with_counts";
  TORCH_CHECK(mean.dim() == 2 && mean.sizes() == invstd.sizes() &&
                  counts.numel() == mean.size(0),
              "[", op, "] expected mean and invstd [processes, channels] and one count per "
              "process, got ", mean.sizes(), ", ", invstd.sizes(), " and ", counts.sizes());
  // A few numbers per channel: in double, where order and cancellation do not matter.
  const Tensor n = counts.to(at::kDouble).reshape({-1, 1});
  const Tensor total = n.sum();
  const Tensor means = mean.to(at::kDouble);
  const Tensor average = (means * n).sum(0) / total;
  const Tensor variances = invstd.to(at::kDouble).pow(-2) - eps;
  const Tensor squares = ((variances + (means - average).pow(2)) * n).sum(0);
  if (is_given(running_mean)) {
    running_mean->copy_(running_mean->to(at::kDouble) * (1 - momentum) + average * momentum);
  }
  if (is_given(running_var)) {
    const Tensor unbiased = squares / (total - 1);
    running_var->copy_(running_var->to(at::kDouble) * (1 - momentum) + unbiased * momentum);
  }
  const at::ScalarType type = statistic_type(mean);
  return {average.to(type), (squares / total + eps).rsqrt().to(type)};
}

std::tuple<Tensor, Tensor> batch_norm_gather_stats(
    const Tensor& input, const Tensor& mean, const Tensor& invstd,
    const std::optional<Tensor>& running_mean, const std::optional<Tensor>& running_var,
    double momentum, double eps, int64_t count) {
  const Tensor counts =
      at::full({mean.size(0)}, static_cast<double>(count), mean.options().dtype(at::kDouble));
  return aten::batch_norm_gather_stats_with_counts(input, mean, invstd, running_mean, running_var,
                                             momentum, eps, counts);
}

std::tuple<Tensor, Tensor, Tensor, Tensor> batch_norm_backward_reduce(
    const Tensor& grad_out, const Tensor& input_, const Tensor& mean_, const Tensor& invstd,
    const std::optional<Tensor>& weight, bool input_g, bool weight_g, bool bias_g) {
  constexpr const char* op = "batch_norm_backward_reduce";
  const cpu::NormType type = norm_type(op, input_);
  const Channels c(op, input_);
  TORCH_CHECK(grad_out.sizes() == input_.sizes(), "[", op, "] expected grad_out of shape ",
              input_.sizes(), ", got ", grad_out.sizes());
  const Tensor input = input_.contiguous(c.format);
  const Tensor grad = grad_out.to(input.scalar_type()).contiguous(c.format);
  const at::ScalarType statistic = statistic_type(input);
  const int64_t n = c.shape.channels;
  const Tensor mean = per_channel(op, "mean", mean_, n, statistic, input);
  const auto wide = input.options().dtype(at::kDouble);
  const Tensor sum = at::empty({n}, wide), centered = at::empty({n}, wide);
  const cpu::BatchNormReduce p{c.shape,
                               grad.const_data_ptr(),
                               input.const_data_ptr(),
                               mean.const_data_ptr(),
                               sum.mutable_data_ptr<double>(),
                               centered.mutable_data_ptr<double>()};
  launch(op, {grad, input, mean, sum, centered}, [p, type] { cpu::batch_norm_reduce(p, type); });
  Tensor sum_dy, sum_dy_xmu, grad_weight, grad_bias;
  if (input_g) {
    sum_dy = sum.to(statistic);
    sum_dy_xmu = centered.to(statistic);
  }
  const at::ScalarType parameter = is_given(weight) ? weight->scalar_type() : input.scalar_type();
  if (weight_g) grad_weight = (centered * invstd.to(at::kDouble)).to(parameter);
  if (bias_g) grad_bias = sum.to(parameter);
  return {std::move(sum_dy), std::move(sum_dy_xmu), std::move(grad_weight),
          std::move(grad_bias)};
}

Tensor batch_norm_backward_elemt(const Tensor& grad_out, const Tensor& input_,
                                 const Tensor& mean_, const Tensor& invstd_,
                                 const std::optional<Tensor>& weight, const Tensor& sum_dy,
                                 const Tensor& sum_dy_xmu, const Tensor& count) {
  constexpr const char* op = "batch_norm_backward_elemt";
  const cpu::NormType type = norm_type(op, input_);
  const Channels c(op, input_);
  TORCH_CHECK(grad_out.sizes() == input_.sizes(), "[", op, "] expected grad_out of shape ",
              input_.sizes(), ", got ", grad_out.sizes());
  const Tensor input = input_.contiguous(c.format);
  const Tensor grad = grad_out.to(input.scalar_type()).contiguous(c.format);
  const int64_t n = c.shape.channels;
  const Tensor mean = per_channel(op, "mean", mean_, n, statistic_type(input), input);
  const Tensor invstd = per_channel(op, "invstd", invstd_, n, at::kDouble, input);
  const Tensor total = count.to(at::kDouble).sum();
  const Tensor shift =
      (per_channel(op, "sum_dy", sum_dy, n, at::kDouble, input) / total).contiguous();
  const Tensor slope =
      (per_channel(op, "sum_dy_xmu", sum_dy_xmu, n, at::kDouble, input) / total * invstd.pow(2))
          .contiguous();
  const Tensor factor =
      is_given(weight)
          ? (per_channel(op, "weight", *weight, n, at::kDouble, input) * invstd).contiguous()
          : invstd;
  Tensor grad_input = at::empty_like(input, c.format);
  const cpu::BatchNormBackward p{c.shape,
                                 grad.const_data_ptr(),
                                 input.const_data_ptr(),
                                 mean.const_data_ptr(),
                                 shift.const_data_ptr<double>(),
                                 slope.const_data_ptr<double>(),
                                 factor.const_data_ptr<double>(),
                                 grad_input.data_ptr()};
  launch(op, {grad, input, mean, shift, slope, factor, grad_input},
         [p, type] { cpu::batch_norm_backward(p, type); });
  return grad_input;
}

namespace {

// Rows before the normalised dimensions, columns in them.
std::pair<int64_t, int64_t> rows_and_columns(const char* op, const Tensor& input,
                                             at::IntArrayRef shape) {
  const int64_t outer = input.dim() - static_cast<int64_t>(shape.size());
  TORCH_CHECK(outer >= 0 && !shape.empty() && input.sizes().slice(outer) == shape, "[", op,
              "] expected an input whose last dimensions are ", shape, ", got ", input.sizes());
  return {c10::multiply_integers(input.sizes().slice(0, outer)), c10::multiply_integers(shape)};
}

Tensor check_weight(const char* op, const Tensor& weight, const Tensor& input,
                    at::IntArrayRef shape) {
  TORCH_CHECK(weight.sizes() == shape && weight.scalar_type() == input.scalar_type() &&
                  weight.device() == input.device(),
              "[", op, "] expected a weight ", shape, " of ", input.scalar_type(), " on ",
              input.device(), ", got ", weight.sizes(), " ", weight.scalar_type(), " on ",
              weight.device());
  return weight.contiguous();
}

} // namespace

std::tuple<Tensor, Tensor> fused_rms_norm(const Tensor& input_, at::IntArrayRef shape,
                                          const std::optional<Tensor>& weight_,
                                          std::optional<double> eps) {
  constexpr const char* op = "_fused_rms_norm";
  const cpu::NormType type = norm_type("rms_norm", input_);
  const auto [rows, columns] = rows_and_columns(op, input_, shape);
  const Tensor input = input_.contiguous();
  const Tensor weight = is_given(weight_) ? check_weight(op, *weight_, input, shape) : input;
  auto statistic_shape = input.sizes().vec();
  for (size_t d = statistic_shape.size() - shape.size(); d < statistic_shape.size(); ++d) {
    statistic_shape[d] = 1;
  }
  const bool wide = input.scalar_type() == at::kDouble;
  // The CPU multiplies by the weight, which decides the strides of an empty result.
  Tensor out = input.numel() == 0 && is_given(weight_) ? at::mul(input, weight)
                                                    : at::empty(input.sizes(), input.options());
  Tensor rstd = at::empty(statistic_shape, input.options().dtype(statistic_type(input)));
  const double tiny = wide ? std::numeric_limits<double>::epsilon()
                           : static_cast<double>(std::numeric_limits<float>::epsilon());
  cpu::RmsNormForward p;
  p.rows = rows, p.columns = columns, p.eps = eps.value_or(tiny);
  p.input = input.const_data_ptr();
  if (is_given(weight_)) p.weight = weight.const_data_ptr();
  p.out = out.data_ptr(), p.rstd = rstd.data_ptr();
  launch(op, {input, weight, out, rstd}, [p, type] { cpu::rms_norm_forward(p, type); });
  return {std::move(out), std::move(rstd)};
}

std::tuple<Tensor, Tensor> fused_rms_norm_backward(const Tensor& grad_out, const Tensor& input_,
                                                   at::IntArrayRef shape, const Tensor& rstd_,
                                                   const std::optional<Tensor>& weight_,
                                                   std::array<bool, 2> output_mask) {
  constexpr const char* op = "_fused_rms_norm_backward";
  const cpu::NormType type = norm_type(op, input_);
  const auto [rows, columns] = rows_and_columns(op, input_, shape);
  TORCH_CHECK(grad_out.sizes() == input_.sizes() && rstd_.numel() == rows, "[", op,
              "] expected grad_out ", input_.sizes(), " and ", rows, " elements of rstd, got ",
              grad_out.sizes(), " and ", rstd_.sizes());
  const Tensor input = input_.contiguous();
  const Tensor grad = grad_out.to(input.scalar_type()).contiguous();
  const Tensor rstd = rstd_.to(statistic_type(input)).contiguous();
  const Tensor weight = is_given(weight_) ? check_weight(op, *weight_, input, shape) : input;
  cpu::RmsNormBackward p;
  p.rows = rows, p.columns = columns;
  p.grad = grad.const_data_ptr(), p.input = input.const_data_ptr();
  p.rstd = rstd.const_data_ptr();
  if (is_given(weight_)) p.weight = weight.const_data_ptr();
  Tensor grad_input, grad_weight;
  std::vector<Tensor> keep{grad, input, rstd, weight};
  if (output_mask[0]) {
    grad_input = at::empty(input.sizes(), input.options());
    p.grad_input = grad_input.data_ptr();
    keep.push_back(grad_input);
  }
  if (output_mask[1] && is_given(weight_)) {
    grad_weight = at::empty(shape, weight.options());
    p.grad_weight = grad_weight.data_ptr();
    keep.push_back(grad_weight);
  }
  launch(op, std::move(keep), [p, type] {
    TORCH_CHECK_WITH(OutOfMemoryError, cpu::rms_norm_backward(p, type),
                     "[_fused_rms_norm_backward] no host memory for scratch");
  });
  return {std::move(grad_input), std::move(grad_weight)};
}

} // namespace xpu_lite::aten
