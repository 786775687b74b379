#include "backend/aten/sycl/batch_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/native/cpu/mixed_data_type.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include "backend/aten/sycl/batch_norm_parts.h"

namespace xpu_lite::aten::sycl {

namespace {

void check(const char* op, const Tensor& input) {
  TORCH_CHECK(input.dim() >= 2, op, ": expected an input [batch, channels, ...], got ",
              input.sizes());
  norm_type("batch_norm", input);
}

Tensor channel_parameter(const char* op, const char* name, const OptionalTensor& t,
                         const Tensor& input) {
  TORCH_CHECK(!given(t) || t->numel() == input.size(1), op, ": ", name, " should contain ",
              input.size(1), " elements not ", given(t) ? t->numel() : 0);
  return parameter(t, input);
}

// Statistics are saved in the type that the CPU saves them in.
at::ScalarType saved_type(const Tensor& input, const OptionalTensor& weight,
                          const OptionalTensor& bias, const OptionalTensor& mean,
                          const OptionalTensor& var) {
  const auto at = [](const OptionalTensor& t) { return given(t) ? *t : Tensor(); };
  const bool mixed = at::native::is_mixed_type(input, at(weight), at(bias), at(mean), at(var));
  if (mixed) at::native::check_mixed_data_type(input, at(weight), at(bias), at(mean), at(var));
  return at::native::param_scalar_type(input, mixed);
}

double unbias(const Tensor& input) {
  const double n = static_cast<double>(input.numel()) / static_cast<double>(input.size(1));
  return n / (n - 1);
}

} // namespace

Tensors3 batch_norm(const Tensor& input_, const OptionalTensor& weight_,
                    const OptionalTensor& bias_, const OptionalTensor& running_mean,
                    const OptionalTensor& running_var, bool training, double momentum,
                    double eps) {
  constexpr const char* op = "native_batch_norm";
  check(op, input_);
  const auto saved = saved_type(input_, weight_, bias_, running_mean, running_var);
  const Tensor input = input_.contiguous(Channels(input_).format);
  const Tensor weight = channel_parameter(op, "weight", weight_, input);
  const Tensor bias = channel_parameter(op, "bias", bias_, input);
  const auto wide = input.options().dtype(accumulation_type(input));
  if (input.numel() == 0) {
    const int64_t kept = training ? input.size(1) : 0;
    return {at::empty_like(input), at::zeros({kept}, input.options().dtype(saved)),
            at::zeros({kept}, input.options().dtype(saved))};
  }
  xpu::ChannelStatArgs a{};
  a.channels = input.size(1);
  a.weight = in_or_null(weight), a.bias = in_or_null(bias);
  const Running mean(op, "running_mean", running_mean, input);
  const Running var(op, "running_var", running_var, input);
  if (!training) {
    TORCH_CHECK(mean.dense.defined() && var.dense.defined(), op,
                ": running_mean and running_var must be given in evaluation mode");
    a.mean = in(mean.dense), a.var = in(var.dense);
    const auto factors = channel_factors(op, input, a, eps, 0, 1, true);
    return {scaled(op, input, factors), at::empty({0}, input.options().dtype(saved)),
            at::empty({0}, input.options().dtype(saved))};
  }
  const auto [average, variance] = channel_moments(op, input);
  const Tensor save_rstd = at::empty({a.channels}, wide);
  a.mean = in(average), a.var = in(variance), a.save_rstd = out(save_rstd);
  a.running_mean = mean.address(), a.running_var = var.address();
  const auto factors = channel_factors(op, input, a, eps, momentum, unbias(input), true);
  mean.put_back(), var.put_back();
  return {scaled(op, input, factors), average.to(saved), save_rstd.to(saved)};
}

Tensors3 batch_norm_legit(const Tensor& input, const OptionalTensor& weight,
                          const OptionalTensor& bias, Tensor& running_mean, Tensor& running_var,
                          bool training, double momentum, double eps) {
  return sycl::batch_norm(input, weight, bias, running_mean, running_var, training, momentum,
                          eps);
}

Tensors3 batch_norm_no_stats(const Tensor& input, const OptionalTensor& weight,
                             const OptionalTensor& bias, bool training, double momentum,
                             double eps) {
  return sycl::batch_norm(input, weight, bias, {}, {}, training, momentum, eps);
}

std::tuple<Tensor, Tensor, Tensor, Tensor> batch_norm_with_update(
    const Tensor& input, const OptionalTensor& weight, const OptionalTensor& bias,
    Tensor& running_mean, Tensor& running_var, double momentum, double eps) {
  auto [y, mean, rstd] =
      sycl::batch_norm(input, weight, bias, running_mean, running_var, true, momentum, eps);
  return {y, mean, rstd, at::empty({0}, input.options().dtype(at::kByte))};
}

Tensors3 batch_norm_backward(const Tensor& grad_, const Tensor& input_,
                             const OptionalTensor& weight_, const OptionalTensor& running_mean,
                             const OptionalTensor& running_var, const OptionalTensor& save_mean,
                             const OptionalTensor& save_rstd, bool train, double eps,
                             std::array<bool, 3> mask) {
  constexpr const char* op = "native_batch_norm_backward";
  check(op, input_);
  TORCH_CHECK(grad_.sizes() == input_.sizes(), op, ": expected grad_out of shape ",
              input_.sizes(), ", got ", grad_.sizes());
  const Channels c(input_);
  const Tensor input = input_.contiguous(c.format);
  const Tensor grad = grad_.to(input.scalar_type()).contiguous(c.format);
  const Tensor weight = channel_parameter(op, "weight", weight_, input);
  const auto wide = input.options().dtype(accumulation_type(input));
  Tensor mean, rstd;
  if (train) {
    mean = channel_parameter(op, "save_mean", save_mean, input);
    rstd = channel_parameter(op, "save_invstd", save_rstd, input);
    TORCH_CHECK(mean.defined() && rstd.defined(), op,
                ": save_mean and save_invstd must be given in training mode");
  } else {
    mean = channel_parameter(op, "running_mean", running_mean, input);
    const Tensor var = channel_parameter(op, "running_var", running_var, input);
    TORCH_CHECK(mean.defined() && var.defined(), op,
                ": running_mean and running_var must be given in evaluation mode");
    rstd = at::empty({c.channels}, wide);
    xpu::ChannelStatArgs a{};
    a.channels = c.channels, a.mean = in(mean), a.var = in(var), a.save_rstd = out(rstd);
    channel_factors(op, input, a, eps, 0, 1, false);
  }
  Tensor sum, along;
  if (train || mask[1] || mask[2]) {
    sum = at::empty({c.channels}, wide), along = at::empty({c.channels}, wide);
    xpu::ChannelSumArgs a{};
    a.in = in(input), a.grad = in(grad), a.mean = in(mean);
    a.sum_grad = out(sum), a.sum_grad_x = out(along);
    a.outer = c.outer, a.channels = c.channels, a.inner = c.inner;
    channel_sums(op, norm_type(op, input), input, a);
  }
  Tensor grad_input, grad_weight, grad_bias;
  if (mask[0]) {
    const double share = static_cast<double>(c.channels) / static_cast<double>(input.numel());
    grad_input = channel_backward(op, grad, input, weight, mean, rstd, sum, along, train, share);
  }
  const auto type = given(weight_) ? weight_->scalar_type() : input.scalar_type();
  if (mask[1]) grad_weight = (along * rstd).to(type);
  if (mask[2]) grad_bias = sum.to(type);
  return {grad_input, grad_weight, grad_bias};
}

Tensors3 batch_norm_backward_new(const Tensor& grad, const Tensor& input, const Tensor& weight,
                                 const OptionalTensor& running_mean,
                                 const OptionalTensor& running_var,
                                 const OptionalTensor& save_mean,
                                 const OptionalTensor& save_rstd, bool update, double eps,
                                 std::array<bool, 3> mask, const Tensor&) {
  return sycl::batch_norm_backward(grad, input, weight, running_mean, running_var, save_mean,
                                   save_rstd, update, eps, mask);
}

std::tuple<Tensor, Tensor> batch_norm_update_stats(const Tensor& input_,
                                                   const OptionalTensor& running_mean,
                                                   const OptionalTensor& running_var,
                                                   double momentum) {
  constexpr const char* op = "batch_norm_update_stats";
  check(op, input_);
  const auto saved = saved_type(input_, {}, {}, running_mean, running_var);
  const Tensor input = input_.contiguous(Channels(input_).format);
  const Running mean(op, "running_mean", running_mean, input);
  const Running var(op, "running_var", running_var, input);
  const auto [average, variance] = channel_moments(op, input);
  xpu::ChannelStatArgs a{};
  a.channels = input.size(1);
  a.mean = in(average), a.var = in(variance);
  a.running_mean = mean.address(), a.running_var = var.address();
  channel_factors(op, input, a, 0, momentum, unbias(input), false);
  mean.put_back(), var.put_back();
  return {average.to(saved), variance.to(saved)};
}

} // namespace xpu_lite::aten::sycl
