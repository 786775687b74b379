#pragma once

// One optimizer step on a dense range of one parameter. The arithmetic follows
// the plain Python loops of torch.optim, in float (or double for double
// parameters), rounded once per stored value.

#include <cstdint>

#include "backend/cpu/dispatch.h"
#include "backend/cpu/kernels/elementwise.h"

namespace xpu_lite::cpu {

struct TypedPointer {
  void* data = nullptr;
  DType dtype = DType::Float;
};

struct AdamStep {
  TypedPointer param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq; // the last: amsgrad
  double lr, beta1, beta2, weight_decay, eps;
  double step;       // of this tensor, already counted up
  double grad_scale; // gradients are divided by it and written back; 1: neither
  bool maximize, decoupled_weight_decay;
};

struct SgdStep {
  TypedPointer param, grad, momentum_buffer; // the last: null without momentum
  double lr, weight_decay, momentum, dampening, grad_scale;
  bool nesterov, maximize, is_first_step;
};

struct AdagradStep {
  TypedPointer param, grad, state_sum;
  double lr, lr_decay, weight_decay, eps, step, grad_scale;
  bool maximize;
};

} // namespace xpu_lite::cpu

// Elements [first, last) of the step.
XPU_LITE_DECLARE_KERNEL(adam_step, void(const AdamStep*, int64_t first, int64_t last));
XPU_LITE_DECLARE_KERNEL(sgd_step, void(const SgdStep*, int64_t first, int64_t last));
XPU_LITE_DECLARE_KERNEL(adagrad_step, void(const AdagradStep*, int64_t first, int64_t last));
