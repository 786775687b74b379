#include "backend/aten/ops/fused_optimizers.h"

#include "backend/aten/ops/dense_lists.h"
#include "backend/aten/ops/engine_kernels.h"
#include "backend/cpu/kernels/fused_optimizers.h"
#include "backend/cpu/multi_tensor.h"

namespace xpu_lite::aten {

namespace {

LateScalar late(double value, const char*) { return LateScalar(value); }
LateScalar late(const Tensor& tensor, const char* what) { return LateScalar(tensor, what); }
LateScalar late(const OptionalTensor& tensor, double otherwise, const char* what) {
  return tensor && tensor->defined() ? LateScalar(*tensor, what) : LateScalar(otherwise);
}

cpu::TypedPointer pointer(const Tensor& tensor) {
  return {tensor.mutable_data_ptr(), *floating_dtype(tensor.scalar_type())};
}

// Throws unless `list` holds, for each parameter, a floating point tensor of its
// size on its device.
void check_like(const char* op, const char* what, TensorList params, TensorList list) {
  TORCH_CHECK(list.size() == params.size(), op, ": expected as many ", what,
              " as parameters, got ", list.size(), " and ", params.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const Tensor& tensor = list[i];
    TORCH_CHECK(tensor.device() == params[i].device() &&
                    tensor.device().type() == kDevice,
                op, ": ", what, "[", i, "] is on ", tensor.device(), ", parameter ", i,
                " on ", params[i].device());
    TORCH_CHECK(tensor.layout() == at::kStrided && floating_dtype(tensor.scalar_type()), op,
                ": ", what, "[", i, "] must be a dense float, double, bfloat16 or half "
                "tensor, got ", tensor.scalar_type(), " with layout ", tensor.layout());
    TORCH_CHECK(tensor.sizes() == params[i].sizes(), op, ": ", what, "[", i,
                "] has size ", tensor.sizes(), ", parameter ", i, " has ",
                params[i].sizes());
  }
}

// The tensors whose memory the scalars of a step read, to keep them alive.
std::vector<Tensor> defined_of(std::initializer_list<const OptionalTensor*> optionals) {
  std::vector<Tensor> tensors;
  for (const OptionalTensor* optional : optionals) {
    if (*optional && (*optional)->defined()) tensors.push_back(**optional);
  }
  return tensors;
}
OptionalTensor tensor_of(double) { return std::nullopt; }
OptionalTensor tensor_of(const Tensor& tensor) { return tensor; }

// What every fused step does around its arithmetic. Step is one of the structs of
// kernels/fused_optimizers.h; fill(step, i) sets what differs between tensors and
// is called when the kernel runs.
template <class Step, class Fill, class Kernel>
std::function<void()> body_of(std::vector<Step> steps, std::vector<int64_t> numels,
                              LateScalar lr, LateScalar scale, LateScalar found_inf,
                              Fill fill, const Kernel& kernel) {
  return [=, &kernel, steps = std::move(steps)]() mutable {
    if (found_inf.read() != 0) return;
    const double rate = lr.read(), grad_scale = scale.read();
    for (size_t i = 0; i < steps.size(); ++i) {
      steps[i].lr = rate;
      steps[i].grad_scale = grad_scale;
      fill(steps[i], i);
    }
    cpu::multi_tensor_for(
        steps.size(), [&](int64_t i) { return numels[i]; },
        [&](int64_t i, int64_t first, int64_t last) { kernel(&steps[i], first, last); });
  };
}

std::vector<int64_t> numels_of(TensorList tensors) {
  std::vector<int64_t> numels;
  for (const Tensor& tensor : tensors) numels.push_back(tensor.numel());
  return numels;
}

std::vector<LateScalar> steps_of(const char* what, TensorList params,
                                 TensorList state_steps) {
  TORCH_CHECK(state_steps.size() == params.size(), what, ": expected one per parameter, got ",
              state_steps.size(), " for ", params.size());
  std::vector<LateScalar> steps;
  for (const Tensor& step : state_steps) steps.emplace_back(step, what);
  return steps;
}

// Dense tensors that the other lists are brought in line with.
std::vector<Tensor> layouts_of(TensorList params) {
  std::vector<Tensor> layouts = params.vec();
  for (Tensor& tensor : layouts) {
    if (!tensor.is_non_overlapping_and_dense()) tensor = at::empty_like(tensor);
  }
  return layouts;
}

} // namespace

template <class Rate, bool Decoupled>
void fused_adam_(TensorList params, TensorList grads, TensorList exp_avgs,
                 TensorList exp_avg_sqs, TensorList max_exp_avg_sqs, TensorList state_steps,
                 Rate lr, double beta1, double beta2, double weight_decay, double eps,
                 bool amsgrad, bool maximize, const OptionalTensor& grad_scale,
                 const OptionalTensor& found_inf) {
  constexpr const char* op = Decoupled ? "_fused_adamw_" : "_fused_adam_";
  if (params.empty()) return;
  check_like(op, "params", params, params);
  check_like(op, "grads", params, grads);
  check_like(op, "exp_avgs", params, exp_avgs);
  check_like(op, "exp_avg_sqs", params, exp_avg_sqs);
  if (amsgrad) {
    check_like(op, "max_exp_avg_sqs", params, max_exp_avg_sqs);
  } else {
    max_exp_avg_sqs = {};
  }
  const std::vector<Tensor> layouts = layouts_of(params);
  const bool scaled = grad_scale && grad_scale->defined();
  DenseList p(params, layouts, true), g(grads, layouts, scaled), m(exp_avgs, layouts, true),
      v(exp_avg_sqs, layouts, true), v_max(max_exp_avg_sqs, layouts, true);
  std::vector<cpu::AdamStep> steps(params.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    cpu::AdamStep& step = steps[i];
    step = {.param = pointer(p.get()[i]),
            .grad = pointer(g.get()[i]),
            .exp_avg = pointer(m.get()[i]),
            .exp_avg_sq = pointer(v.get()[i]),
            .max_exp_avg_sq = amsgrad ? pointer(v_max.get()[i]) : cpu::TypedPointer(),
            .lr = 0,
            .beta1 = beta1,
            .beta2 = beta2,
            .weight_decay = weight_decay,
            .eps = eps,
            .step = 0,
            .grad_scale = 1,
            .maximize = maximize,
            .decoupled_weight_decay = Decoupled};
  }
  if (list_kernels) {
    list_kernels->adam(op, params[0], steps, numels_of(params),
                       {late(lr, "_fused_adam_: lr"),
                        late(grad_scale, 1, "_fused_adam_: grad_scale"),
                        late(found_inf, 0, "_fused_adam_: found_inf"),
                        steps_of("_fused_adam_: state_steps", params, state_steps)});
    for (const DenseList* list : {&p, &g, &m, &v, &v_max}) list->finish();
    return;
  }
  const OptionalTensor rate = tensor_of(lr);
  launch_lists(
      op,
      {p.get(), g.get(), m.get(), v.get(), v_max.get(), state_steps,
       defined_of({&rate, &grad_scale, &found_inf})},
      body_of(std::move(steps), numels_of(params), late(lr, "_fused_adam_: lr"),
              late(grad_scale, 1, "_fused_adam_: grad_scale"),
              late(found_inf, 0, "_fused_adam_: found_inf"),
              [counts = steps_of("_fused_adam_: state_steps", params, state_steps)](
                  cpu::AdamStep& step, size_t i) { step.step = counts[i].read(); },
              cpu::adam_step));
  for (const DenseList* list : {&p, &g, &m, &v, &v_max}) list->finish();
}

template <class Rate>
void fused_sgd_(TensorList params, TensorList grads, TensorList momentum_buffers,
                double weight_decay, double momentum, Rate lr, double dampening,
                bool nesterov, bool maximize, bool is_first_step,
                const OptionalTensor& grad_scale, const OptionalTensor& found_inf) {
  constexpr const char* op = "_fused_sgd_";
  if (params.empty()) return;
  check_like(op, "params", params, params);
  check_like(op, "grads", params, grads);
  const bool buffered = momentum != 0;
  if (buffered) {
    check_like(op, "momentum_buffer_list", params, momentum_buffers);
  } else {
    momentum_buffers = {};
  }
  const std::vector<Tensor> layouts = layouts_of(params);
  const bool scaled = grad_scale && grad_scale->defined();
  DenseList p(params, layouts, true), g(grads, layouts, scaled),
      buffers(momentum_buffers, layouts, true);
  std::vector<cpu::SgdStep> steps(params.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    steps[i] = {.param = pointer(p.get()[i]),
                .grad = pointer(g.get()[i]),
                .momentum_buffer = buffered ? pointer(buffers.get()[i]) : cpu::TypedPointer(),
                .lr = 0,
                .weight_decay = weight_decay,
                .momentum = momentum,
                .dampening = dampening,
                .grad_scale = 1,
                .nesterov = nesterov,
                .maximize = maximize,
                .is_first_step = is_first_step};
  }
  if (list_kernels) {
    list_kernels->sgd(op, params[0], steps, numels_of(params),
                      {late(lr, "_fused_sgd_: lr"),
                       late(grad_scale, 1, "_fused_sgd_: grad_scale"),
                       late(found_inf, 0, "_fused_sgd_: found_inf"), {}});
    for (const DenseList* list : {&p, &g, &buffers}) list->finish();
    return;
  }
  const OptionalTensor rate = tensor_of(lr);
  launch_lists(op,
               {p.get(), g.get(), buffers.get(), defined_of({&rate, &grad_scale, &found_inf})},
               body_of(std::move(steps), numels_of(params), late(lr, "_fused_sgd_: lr"),
                       late(grad_scale, 1, "_fused_sgd_: grad_scale"),
                       late(found_inf, 0, "_fused_sgd_: found_inf"),
                       [](cpu::SgdStep&, size_t) {}, cpu::sgd_step));
  for (const DenseList* list : {&p, &g, &buffers}) list->finish();
}

template <class Rate>
void fused_adagrad_(TensorList params, TensorList grads, TensorList state_sums,
                    TensorList state_steps, Rate lr, double lr_decay, double weight_decay,
                    double eps, bool maximize, const OptionalTensor& grad_scale,
                    const OptionalTensor& found_inf) {
  constexpr const char* op = "_fused_adagrad_";
  if (params.empty()) return;
  check_like(op, "params", params, params);
  check_like(op, "grads", params, grads);
  check_like(op, "state_sums", params, state_sums);
  const std::vector<Tensor> layouts = layouts_of(params);
  const bool scaled = grad_scale && grad_scale->defined();
  DenseList p(params, layouts, true), g(grads, layouts, scaled),
      sums(state_sums, layouts, true);
  std::vector<cpu::AdagradStep> steps(params.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    steps[i] = {.param = pointer(p.get()[i]),
                .grad = pointer(g.get()[i]),
                .state_sum = pointer(sums.get()[i]),
                .lr = 0,
                .lr_decay = lr_decay,
                .weight_decay = weight_decay,
                .eps = eps,
                .step = 0,
                .grad_scale = 1,
                .maximize = maximize};
  }
  if (list_kernels) {
    list_kernels->adagrad(op, params[0], steps, numels_of(params),
                          {late(lr, "_fused_adagrad_: lr"),
                           late(grad_scale, 1, "_fused_adagrad_: grad_scale"),
                           late(found_inf, 0, "_fused_adagrad_: found_inf"),
                           steps_of("_fused_adagrad_: state_steps", params, state_steps)});
    for (const DenseList* list : {&p, &g, &sums}) list->finish();
    return;
  }
  const OptionalTensor rate = tensor_of(lr);
  launch_lists(
      op,
      {p.get(), g.get(), sums.get(), state_steps, defined_of({&rate, &grad_scale, &found_inf})},
      body_of(std::move(steps), numels_of(params), late(lr, "_fused_adagrad_: lr"),
              late(grad_scale, 1, "_fused_adagrad_: grad_scale"),
              late(found_inf, 0, "_fused_adagrad_: found_inf"),
              [counts = steps_of("_fused_adagrad_: state_steps", params, state_steps)](
                  cpu::AdagradStep& step, size_t i) { step.step = counts[i].read(); },
              cpu::adagrad_step));
  for (const DenseList* list : {&p, &g, &sums}) list->finish();
}

#define XPU_LITE_ADAM(RATE, DECOUPLED)                                                       \
  template void fused_adam_<RATE, DECOUPLED>(                                                \
      TensorList, TensorList, TensorList, TensorList, TensorList, TensorList, RATE, double,  \
      double, double, double, bool, bool, const OptionalTensor&, const OptionalTensor&);
XPU_LITE_ADAM(double, false)
XPU_LITE_ADAM(double, true)
XPU_LITE_ADAM(const Tensor&, false)
XPU_LITE_ADAM(const Tensor&, true)
#undef XPU_LITE_ADAM

#define XPU_LITE_OTHERS(RATE)                                                                \
  template void fused_sgd_<RATE>(TensorList, TensorList, TensorList, double, double, RATE,   \
                                 double, bool, bool, bool, const OptionalTensor&,            \
                                 const OptionalTensor&);                                     \
  template void fused_adagrad_<RATE>(TensorList, TensorList, TensorList, TensorList, RATE,   \
                                     double, double, double, bool, const OptionalTensor&,    \
                                     const OptionalTensor&);
XPU_LITE_OTHERS(double)
XPU_LITE_OTHERS(const Tensor&)
#undef XPU_LITE_OTHERS

} // namespace xpu_lite::aten
