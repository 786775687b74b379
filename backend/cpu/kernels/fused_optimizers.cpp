// The optimizer steps of fused_optimizers.h: blocks are staged as float, updated
// by one vectorised loop, and stored.

#include "backend/cpu/kernels/fused_optimizers.h"

#include "backend/cpu/kernels/elementwise_ops.h"
#include "backend/cpu/kernels/staging.h"

namespace xpu_lite::cpu::XPU_LITE_LEVEL {

namespace {

template <class Acc>
Staged<Acc> staged(const TypedPointer& pointer) {
  return Staged<Acc>(pointer.data, pointer.dtype);
}

// g / scale, stored by the caller as CUDA's kernels do.
template <class Acc>
void unscale_block(Acc* grad, double scale, int64_t n) {
  const Acc divisor = static_cast<Acc>(scale);
  for (int64_t i = 0; i < n; ++i) grad[i] /= divisor;
}

// 1 - beta ** step of both moments.
struct AdamCorrection {
  double first, second;
};

template <class Acc, bool Amsgrad>
void adam_block(const AdamStep& step, Acc* p, const Acc* grad, Acc* m, Acc* v, Acc* v_max,
                AdamCorrection correction, int64_t n) {
  const Acc step_size = static_cast<Acc>(-step.lr / correction.first);
  const Acc root2 = static_cast<Acc>(__builtin_sqrt(correction.second));
  const Acc sign = step.maximize ? Acc(-1) : Acc(1);
  const Acc coupled =
      step.decoupled_weight_decay ? Acc(0) : static_cast<Acc>(step.weight_decay);
  const Acc shrink = step.decoupled_weight_decay
      ? static_cast<Acc>(1 - step.lr * step.weight_decay)
      : Acc(1);
  const Acc beta2 = static_cast<Acc>(step.beta2);
  const Acc weight1 = static_cast<Acc>(1 - step.beta1);
  const Acc weight2 = static_cast<Acc>(1 - step.beta2);
  const Acc eps = static_cast<Acc>(step.eps);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    Acc g = sign * grad[i];
    Acc value = p[i] * shrink;
    // Not g + 0 * p: that would spread the NaN of a parameter to its state.
    if (coupled != Acc(0)) g += coupled * value;
    m[i] = LerpScalarOp::run<Acc>(m[i], g, Acc(0), weight1);
    const Acc square = v[i] * beta2 + weight2 * g * g;
    v[i] = square;
    Acc bound = square;
    if constexpr (Amsgrad) {
      bound = MaximumOp::run<Acc>(v_max[i], square, Acc(0), Acc(0));
      v_max[i] = bound;
    }
    p[i] = value + step_size * m[i] / (root(bound) / root2 + eps);
  }
}

template <class Acc>
void adam(const AdamStep& step, int64_t first, int64_t last) {
  auto param = staged<Acc>(step.param), grad = staged<Acc>(step.grad);
  auto exp_avg = staged<Acc>(step.exp_avg), exp_avg_sq = staged<Acc>(step.exp_avg_sq);
  auto max_exp_avg_sq = staged<Acc>(step.max_exp_avg_sq);
  const AdamCorrection correction = {1 - __builtin_pow(step.beta1, step.step),
                                     1 - __builtin_pow(step.beta2, step.step)};
  for (int64_t i = first; i < last; i += kStageBlock) {
    const int64_t n = last - i < kStageBlock ? last - i : kStageBlock;
    Acc* g = grad.load(i, n);
    if (step.grad_scale != 1) {
      unscale_block(g, step.grad_scale, n);
      grad.store(i, n);
    }
    Acc* p = param.load(i, n);
    Acc* m = exp_avg.load(i, n);
    Acc* v = exp_avg_sq.load(i, n);
    Acc* v_max = max_exp_avg_sq.load(i, n);
    if (v_max) {
      adam_block<Acc, true>(step, p, g, m, v, v_max, correction, n);
      max_exp_avg_sq.store(i, n);
    } else {
      adam_block<Acc, false>(step, p, g, m, v, v_max, correction, n);
    }
    param.store(i, n);
    exp_avg.store(i, n);
    exp_avg_sq.store(i, n);
  }
}

template <class Acc>
void sgd_block(const SgdStep& step, Acc* p, const Acc* grad, Acc* buffer, int64_t n) {
  const Acc sign = step.maximize ? Acc(-1) : Acc(1);
  const Acc decay = static_cast<Acc>(step.weight_decay);
  const Acc rate = static_cast<Acc>(-step.lr);
  const Acc momentum = static_cast<Acc>(step.momentum);
  const Acc intake = static_cast<Acc>(1 - step.dampening);
  if (!buffer) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) {
      Acc g = sign * grad[i];
      if (decay != Acc(0)) g += decay * p[i];
      p[i] += rate * g;
    }
    return;
  }
  const bool first = step.is_first_step, nesterov = step.nesterov;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    Acc g = sign * grad[i];
    if (decay != Acc(0)) g += decay * p[i];
    // The buffer of a first step is uninitialised memory.
    const Acc moved = first ? g : buffer[i] * momentum + intake * g;
    buffer[i] = moved;
    p[i] += rate * (nesterov ? g + momentum * moved : moved);
  }
}

template <class Acc>
void sgd(const SgdStep& step, int64_t first, int64_t last) {
  auto param = staged<Acc>(step.param), grad = staged<Acc>(step.grad);
  auto momentum = staged<Acc>(step.momentum_buffer);
  for (int64_t i = first; i < last; i += kStageBlock) {
    const int64_t n = last - i < kStageBlock ? last - i : kStageBlock;
    Acc* g = grad.load(i, n);
    if (step.grad_scale != 1) {
      unscale_block(g, step.grad_scale, n);
      grad.store(i, n);
    }
    sgd_block(step, param.load(i, n), g, momentum.load(i, n), n);
    param.store(i, n);
    momentum.store(i, n);
  }
}

template <class Acc>
void adagrad_block(const AdagradStep& step, Acc* p, const Acc* grad, Acc* sum, int64_t n) {
  const Acc sign = step.maximize ? Acc(-1) : Acc(1);
  const Acc decay = static_cast<Acc>(step.weight_decay);
  const Acc rate = static_cast<Acc>(-step.lr / (1 + (step.step - 1) * step.lr_decay));
  const Acc eps = static_cast<Acc>(step.eps);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    Acc g = sign * grad[i];
    if (decay != Acc(0)) g += decay * p[i];
    const Acc total = sum[i] + g * g;
    sum[i] = total;
    p[i] += rate * g / (root(total) + eps);
  }
}

template <class Acc>
void adagrad(const AdagradStep& step, int64_t first, int64_t last) {
  auto param = staged<Acc>(step.param), grad = staged<Acc>(step.grad);
  auto sum = staged<Acc>(step.state_sum);
  for (int64_t i = first; i < last; i += kStageBlock) {
    const int64_t n = last - i < kStageBlock ? last - i : kStageBlock;
    Acc* g = grad.load(i, n);
    if (step.grad_scale != 1) {
      unscale_block(g, step.grad_scale, n);
      grad.store(i, n);
    }
    adagrad_block(step, param.load(i, n), g, sum.load(i, n), n);
    param.store(i, n);
    sum.store(i, n);
  }
}

void adam_step(const AdamStep* step, int64_t first, int64_t last) {
  step->param.dtype == DType::Double ? adam<double>(*step, first, last)
                                     : adam<float>(*step, first, last);
}
void sgd_step(const SgdStep* step, int64_t first, int64_t last) {
  step->param.dtype == DType::Double ? sgd<double>(*step, first, last)
                                     : sgd<float>(*step, first, last);
}
void adagrad_step(const AdagradStep* step, int64_t first, int64_t last) {
  step->param.dtype == DType::Double ? adagrad<double>(*step, first, last)
                                     : adagrad<float>(*step, first, last);
}

} // namespace

XPU_LITE_REGISTER_KERNEL(adam_step, adam_step)
XPU_LITE_REGISTER_KERNEL(sgd_step, sgd_step)
XPU_LITE_REGISTER_KERNEL(adagrad_step, adagrad_step)

} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
