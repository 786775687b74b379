// The pieces of batch norm that SyncBatchNorm calls between its collectives.

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>

#include "backend/aten/sycl/batch_norm.h"
#include "backend/aten/sycl/batch_norm_parts.h"

namespace xpu_lite::aten::sycl {

namespace {

Tensor dense(const char* op, const Tensor& input) {
  TORCH_CHECK(input.dim() >= 2, "[", op, "] expected an input [batch, channels, ...], got ",
              input.sizes());
  norm_type(op, input);
  return input.contiguous(Channels(input).format);
}

Tensor per_channel(const char* op, const char* name, const OptionalTensor& t,
                   const Tensor& input) {
  if (!given(t)) return Tensor();
  TORCH_CHECK(t->numel() == input.size(1), "[", op, "] expected ", name, " to have ",
              input.size(1), " elements, got ", t->sizes());
  TORCH_CHECK(t->device() == input.device(), "[", op, "] expected ", name, " on ",
              input.device(), ", got ", t->device());
  return parameter(t, input);
}

void same_shape(const char* op, const Tensor& grad, const Tensor& input) {
  TORCH_CHECK(grad.sizes() == input.sizes(), "[", op, "] expected grad_out of shape ",
              input.sizes(), ", got ", grad.sizes());
}

} // namespace

std::tuple<Tensor, Tensor> batch_norm_stats(const Tensor& input_, double eps) {
  constexpr const char* op = "batch_norm_stats";
  const Tensor input = dense(op, input_);
  const auto [mean, var] = channel_moments(op, input);
  const Tensor invstd = at::empty_like(var);
  xpu::ChannelStatArgs a{};
  a.channels = input.size(1), a.mean = in(mean), a.var = in(var), a.save_rstd = out(invstd);
  channel_factors(op, input, a, eps, 0, 1, false);
  return {mean, invstd};
}

Tensor batch_norm_elemt(const Tensor& input_, const OptionalTensor& weight_,
                        const OptionalTensor& bias_, const Tensor& mean_, const Tensor& invstd_,
                        double /*eps: already in invstd*/) {
  constexpr const char* op = "batch_norm_elemt";
  const Tensor input = dense(op, input_);
  const Tensor mean = per_channel(op, "mean", mean_, input);
  const Tensor invstd = per_channel(op, "invstd", invstd_, input);
  const Tensor weight = per_channel(op, "weight", weight_, input);
  const Tensor bias = per_channel(op, "bias", bias_, input);
  xpu::ChannelStatArgs a{};
  a.channels = input.size(1), a.is_rstd = 1;
  a.mean = in(mean), a.var = in(invstd), a.weight = in_or_null(weight), a.bias = in_or_null(bias);
  return scaled(op, input, channel_factors(op, input, a, 0, 0, 1, true));
}

Tensor& batch_norm_elemt_out(const Tensor& input, const OptionalTensor& weight,
                             const OptionalTensor& bias, const Tensor& mean,
                             const Tensor& invstd, double eps, Tensor& out) {
  const Tensor result = sycl::batch_norm_elemt(input, weight, bias, mean, invstd, eps);
  if (out.sizes() != result.sizes()) out.resize_(result.sizes());
  return out.copy_(result);
}

std::tuple<Tensor, Tensor> batch_norm_gather_stats_with_counts(
    const Tensor& input, const Tensor& mean, const Tensor& invstd,
    const OptionalTensor& running_mean, const OptionalTensor& running_var, double momentum,
    double eps, const Tensor& counts) {
  constexpr const char* op = "batch_norm_gather_stats_with_counts";
  TORCH_CHECK(mean.dim() == 2 && mean.sizes() == invstd.sizes() &&
                  counts.numel() == mean.size(0),
              "[", op, "] expected mean and invstd [processes, channels] and one count per "
              "process, got ", mean.sizes(), ", ", invstd.sizes(), " and ", counts.sizes());
  // A few numbers per channel. The variance is joined by Chan's rule: no difference
  // of large squares, so float will do.
  const auto type = accumulation_type(mean);
  const Tensor n = counts.to(type).reshape({-1, 1});
  const Tensor total = n.sum(), share = n / total;
  const Tensor means = mean.to(type);
  const Tensor average = (means * share).sum(0);
  const Tensor variances = invstd.to(type).pow(-2) - eps;
  const Tensor variance = ((variances + (means - average).pow(2)) * share).sum(0);
  if (given(running_mean)) {
    running_mean->copy_(running_mean->to(type) * (1 - momentum) + average * momentum);
  }
  if (given(running_var)) {
    const Tensor unbiased = variance * (total / (total - 1));
    running_var->copy_(running_var->to(type) * (1 - momentum) + unbiased * momentum);
  }
  return {average, (variance + eps).rsqrt()};
}

std::tuple<Tensor, Tensor> batch_norm_gather_stats(
    const Tensor& input, const Tensor& mean, const Tensor& invstd,
    const OptionalTensor& running_mean, const OptionalTensor& running_var, double momentum,
    double eps, int64_t count) {
  const Tensor counts = at::full({mean.size(0)}, static_cast<double>(count),
                                 mean.options().dtype(accumulation_type(mean)));
  return sycl::batch_norm_gather_stats_with_counts(input, mean, invstd, running_mean,
                                                   running_var, momentum, eps, counts);
}

std::tuple<Tensor, Tensor, Tensor, Tensor> batch_norm_backward_reduce(
    const Tensor& grad_, const Tensor& input_, const Tensor& mean_, const Tensor& invstd,
    const OptionalTensor& weight, bool input_g, bool weight_g, bool bias_g) {
  constexpr const char* op = "batch_norm_backward_reduce";
  same_shape(op, grad_, input_);
  const Tensor input = dense(op, input_);
  const Channels c(input);
  const Tensor grad = grad_.to(input.scalar_type()).contiguous(c.format);
  const Tensor mean = per_channel(op, "mean", mean_, input);
  const Tensor sum = at::empty_like(mean), along = at::empty_like(mean);
  xpu::ChannelSumArgs a{};
  a.in = in(input), a.grad = in(grad), a.mean = in(mean);
  a.sum_grad = out(sum), a.sum_grad_x = out(along);
  a.outer = c.outer, a.channels = c.channels, a.inner = c.inner;
  channel_sums(op, norm_type(op, input), input, a);
  Tensor sum_dy, sum_dy_xmu, grad_weight, grad_bias;
  if (input_g) sum_dy = sum, sum_dy_xmu = along;
  const auto type = given(weight) ? weight->scalar_type() : input.scalar_type();
  if (weight_g) grad_weight = (along * invstd.to(along.scalar_type())).to(type);
  if (bias_g) grad_bias = sum.to(type, /*non_blocking=*/false, /*copy=*/true);
  return {sum_dy, sum_dy_xmu, grad_weight, grad_bias};
}

Tensor batch_norm_backward_elemt(const Tensor& grad_, const Tensor& input_, const Tensor& mean_,
                                 const Tensor& invstd_, const OptionalTensor& weight_,
                                 const Tensor& sum_dy, const Tensor& sum_dy_xmu,
                                 const Tensor& count) {
  constexpr const char* op = "batch_norm_backward_elemt";
  same_shape(op, grad_, input_);
  const Tensor input = dense(op, input_);
  const Tensor grad = grad_.to(input.scalar_type()).contiguous(Channels(input).format);
  const Tensor mean = per_channel(op, "mean", mean_, input);
  const Tensor invstd = per_channel(op, "invstd", invstd_, input);
  const Tensor weight = per_channel(op, "weight", weight_, input);
  // The number of elements is on the device, and stays there.
  const Tensor total = count.to(mean.scalar_type()).sum();
  const Tensor sum = per_channel(op, "sum_dy", sum_dy / total, input);
  const Tensor along = per_channel(op, "sum_dy_xmu", sum_dy_xmu / total, input);
  return channel_backward(op, grad, input, weight, mean, invstd, sum, along, true, 1);
}

} // namespace xpu_lite::aten::sycl
