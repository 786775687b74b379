// The kernels behind _foreach_*, the fused optimizer steps and GradScaler's operators
// (ops/foreach.cpp, ops/fused_optimizers.cpp, ops/amp.cpp).

#include <ATen/ops/empty.h>

#include "backend/aten/ops/engine_kernels.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/foreach.h"

namespace xpu_lite::aten::sycl {

namespace {

using at::Tensor;
using at::TensorList;
using xpu::ForeachItem;
using xpu::StepNumber;

std::vector<ForeachItem> items_of(TensorList to, TensorList a, TensorList b, TensorList c) {
  const TensorList first = a.empty() ? to : a;
  std::vector<ForeachItem> items(first.size());
  for (size_t i = 0; i < items.size(); ++i) {
    items[i] = {to.empty() ? nullptr : out(to[i]),
                a.empty() ? nullptr : in(a[i]),
                b.empty() ? nullptr : in(b[i]),
                c.empty() ? nullptr : in(c[i]),
                first[i].numel(),
                0};
  }
  return items;
}

void apply(const char* op, cpu::ElementwiseOp what, TensorList to, TensorList a, TensorList b,
           TensorList c, const std::vector<double>& s, const Tensor* late, double factor) {
  const xpu::DType type = dtype_of(op, a[0].scalar_type());
  std::vector<ForeachItem> items = items_of(to, a, b, c);
  for (size_t i = 0; i < items.size(); ++i) items[i].s = s[s.size() == 1 ? 0 : i];
  run(op, a[0], [&](Stream& stream) {
    xpu::foreach_apply(stream, what, type, items, late ? in(*late) : nullptr, factor);
  });
}

void reduce(const char* op, cpu::ReduceOp what, TensorList to, TensorList self) {
  const xpu::DType type = dtype_of(op, self[0].scalar_type());
  const std::vector<ForeachItem> items = items_of(to, self, {}, {});
  const Tensor scratch =
      at::empty({static_cast<int64_t>(xpu::foreach_reduce_bytes(type, items))},
                self[0].options().dtype(at::kByte));
  const xpu::ForeachReduce how = what == cpu::ReduceOp::SumAbs ? xpu::ForeachReduce::SumAbs
      : what == cpu::ReduceOp::SumSquares                       ? xpu::ForeachReduce::SumSquares
      : what == cpu::ReduceOp::Max                              ? xpu::ForeachReduce::Max
                                                                : xpu::ForeachReduce::AbsMax;
  run(op, self[0], [&](Stream& stream) {
    xpu::foreach_reduce(stream, how, type, items, out(scratch));
  });
}

// Elements of 16 bytes move as twice as many of 8.
void move(const char* op, TensorList self, TensorList src) {
  size_t size = self[0].element_size();
  std::vector<ForeachItem> items = items_of(self, src, {}, {});
  if (size == 16) {
    for (ForeachItem& item : items) item.n *= 2;
    size = 8;
  }
  run(op, self[0], [&](Stream& stream) {
    src.empty() ? xpu::foreach_zero(stream, size, items)
                : xpu::foreach_copy(stream, size, items);
  });
}

void zero(const char* op, TensorList self) { move(op, self, {}); }
void copy(const char* op, TensorList self, TensorList src) { move(op, self, src); }

// Gradients of several types take a launch for each.
void unscale(const char* op, TensorList grads, const Tensor& found_inf,
             const Tensor& inv_scale) {
  const std::vector<ForeachItem> items = items_of(grads, {}, {}, {});
  run(op, found_inf, [&](Stream& stream) {
    for (const auto type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}) {
      std::vector<ForeachItem> alike;
      for (size_t i = 0; i < items.size(); ++i) {
        if (grads[i].scalar_type() == type) alike.push_back(items[i]);
      }
      xpu::amp_unscale(stream, dtype_of(op, type), alike,
                       static_cast<const float*>(in(inv_scale)),
                       static_cast<float*>(out(found_inf)));
    }
  });
}

void update_scale(const char* op, const Tensor& scale, const Tensor& tracker,
                  const Tensor& found_inf, double growth, double backoff, int64_t interval) {
  run(op, scale, [&](Stream& stream) {
    xpu::amp_update_scale(stream, static_cast<float*>(out(scale)),
                          static_cast<int32_t*>(out(tracker)),
                          static_cast<const float*>(in(found_inf)), growth, backoff, interval);
  });
}

xpu::DType xpu_dtype(cpu::DType type) {
  switch (type) {
    case cpu::DType::Double: return xpu::DType::F64;
    case cpu::DType::BFloat16: return xpu::DType::BF16;
    case cpu::DType::Half: return xpu::DType::F16;
    default: return xpu::DType::F32;
  }
}

StepNumber number(const char* op, const LateScalar& scalar) {
  if (!scalar.data()) return {nullptr, xpu::DType::F32, scalar.value()};
  return {scalar.data(), sycl::dtype_of(op, scalar.type()), 0};
}

template <class Step>
void submit(const char* op, const Tensor& any, xpu::Optimizer optimizer,
            const std::vector<Step>& steps, const std::vector<int64_t>& numels,
            const StepScalars& scalars, xpu::StepCommon common,
            std::vector<cpu::TypedPointer> (*pointers)(const Step&)) {
  common.lr = number(op, scalars.lr);
  common.grad_scale = number(op, scalars.grad_scale);
  common.found_inf = number(op, scalars.found_inf);
  common.weight_decay = steps[0].weight_decay;
  common.maximize = steps[0].maximize;
  // A launch computes in one type: parameters of double go apart from the others.
  for (const bool wide : {false, true}) {
    std::vector<xpu::StepItem> items;
    for (size_t i = 0; i < steps.size(); ++i) {
      if ((steps[i].param.dtype == cpu::DType::Double) != wide) continue;
      xpu::StepItem item{};
      const std::vector<cpu::TypedPointer> typed = pointers(steps[i]);
      for (size_t k = 0; k < typed.size(); ++k) {
        void*& place = k == 0 ? item.param : k == 1 ? item.grad : item.state[k - 2];
        place = typed[k].data;
        item.types[k] = xpu_dtype(typed[k].dtype);
      }
      item.n = numels[i];
      if (!scalars.steps.empty()) item.step = number(op, scalars.steps[i]);
      items.push_back(item);
    }
    if (items.empty()) continue;
    run(op, any, [&](Stream& stream) {
      xpu::optimizer_step(stream, optimizer, common, items);
    });
  }
}

void adam(const char* op, const Tensor& any, const std::vector<cpu::AdamStep>& steps,
          const std::vector<int64_t>& numels, const StepScalars& scalars) {
  xpu::StepCommon common;
  common.beta1 = steps[0].beta1;
  common.beta2 = steps[0].beta2;
  common.eps = steps[0].eps;
  common.decoupled = steps[0].decoupled_weight_decay;
  submit<cpu::AdamStep>(op, any, xpu::Optimizer::Adam, steps, numels, scalars, common,
                        [](const cpu::AdamStep& s) -> std::vector<cpu::TypedPointer> {
                          return {s.param, s.grad, s.exp_avg, s.exp_avg_sq, s.max_exp_avg_sq};
                        });
}

void sgd(const char* op, const Tensor& any, const std::vector<cpu::SgdStep>& steps,
         const std::vector<int64_t>& numels, const StepScalars& scalars) {
  xpu::StepCommon common;
  common.momentum = steps[0].momentum;
  common.dampening = steps[0].dampening;
  common.nesterov = steps[0].nesterov;
  common.first_step = steps[0].is_first_step;
  submit<cpu::SgdStep>(op, any, xpu::Optimizer::Sgd, steps, numels, scalars, common,
                       [](const cpu::SgdStep& s) -> std::vector<cpu::TypedPointer> {
                         return {s.param, s.grad, s.momentum_buffer};
                       });
}

void adagrad(const char* op, const Tensor& any, const std::vector<cpu::AdagradStep>& steps,
             const std::vector<int64_t>& numels, const StepScalars& scalars) {
  xpu::StepCommon common;
  common.lr_decay = steps[0].lr_decay;
  common.eps = steps[0].eps;
  submit<cpu::AdagradStep>(op, any, xpu::Optimizer::Adagrad, steps, numels, scalars, common,
                           [](const cpu::AdagradStep& s) -> std::vector<cpu::TypedPointer> {
                             return {s.param, s.grad, s.state_sum};
                           });
}

constexpr ListKernels kListKernels = {apply,        reduce, zero, copy,   unscale,
                                  update_scale, adam,   sgd,  adagrad};
const bool lists_installed = (list_kernels = &kListKernels, true);

} // namespace

} // namespace xpu_lite::aten::sycl
