#pragma once

// torch.optim's fused steps: `_fused_adam_`, `_fused_adamw_`, `_fused_sgd_`,
// `_fused_adagrad_`, one kernel for all parameters. A step counter, a gradient
// scale, a learning rate or `found_inf` that lives on the device is read when
// the kernel runs, so a queued step never waits for the host.

#include <optional>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

using at::Tensor;
using at::TensorList;
using OptionalTensor = std::optional<Tensor>;

// Rate is double or const Tensor&, as in the two overloads of each operator.
template <class Rate, bool Decoupled>
void fused_adam_(TensorList params, TensorList grads, TensorList exp_avgs,
                 TensorList exp_avg_sqs, TensorList max_exp_avg_sqs, TensorList state_steps,
                 Rate lr, double beta1, double beta2, double weight_decay, double eps,
                 bool amsgrad, bool maximize, const OptionalTensor& grad_scale,
                 const OptionalTensor& found_inf);

template <class Rate>
void fused_sgd_(TensorList params, TensorList grads, TensorList momentum_buffers,
                double weight_decay, double momentum, Rate lr, double dampening,
                bool nesterov, bool maximize, bool is_first_step,
                const OptionalTensor& grad_scale, const OptionalTensor& found_inf);

template <class Rate>
void fused_adagrad_(TensorList params, TensorList grads, TensorList state_sums,
                    TensorList state_steps, Rate lr, double lr_decay, double weight_decay,
                    double eps, bool maximize, const OptionalTensor& grad_scale,
                    const OptionalTensor& found_inf);

// torch.amp.GradScaler's two operators.
void amp_unscale_(TensorList grads, Tensor& found_inf, const Tensor& inv_scale);
Tensor& amp_update_scale_(Tensor& scale, Tensor& growth_tracker, const Tensor& found_inf,
                          double growth_factor, double backoff_factor,
                          int64_t growth_interval);

} // namespace xpu_lite::aten
