#include <ATen/core/Reduction.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/sum.h>

#include "backend/aten/sycl/index_walk.h"
#include "backend/aten/sycl/layout.h"
#include "backend/aten/sycl/loss.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/loss.h"

namespace xpu_lite::aten::sycl {

namespace {

xpu::DType checked(const char* op, const Tensor& self, const Tensor& target,
                   const OptionalTensor& weight) {
  const at::ScalarType type = self.scalar_type();
  TORCH_CHECK_NOT_IMPLEMENTED(type == at::kFloat || type == at::kDouble || type == at::kHalf ||
                                  type == at::kBFloat16,
                              '"', op, "\" not implemented for '", type, "'");
  TORCH_CHECK(target.scalar_type() == type, "Found dtype ", target.scalar_type(),
              " but expected ", type);
  TORCH_CHECK(target.sizes() == self.sizes(), op, ": expected target of size ", self.sizes(),
              ", got ", target.sizes());
  TORCH_CHECK(target.device() == self.device(), op, ": expected target on ", self.device(),
              ", but it is on ", target.device());
  if (weight && weight->defined()) {
    TORCH_CHECK(weight->scalar_type() == type && weight->device() == self.device(), op,
                ": expected weight of type ", type, " on ", self.device(), ", got ",
                weight->scalar_type(), " on ", weight->device());
  }
  return dtype_of(op, type);
}

Tensor weights_of(const Tensor& self, const OptionalTensor& weight) {
  return weight && weight->defined() ? weight->expand(self.sizes()).contiguous() : Tensor();
}

// The loss of each element.
void each(const Tensor& self, const Tensor& target, const OptionalTensor& weight,
          const Tensor& output) {
  const char* op = "binary_cross_entropy";
  const xpu::DType type = checked(op, self, target, weight);
  const Tensor x = self.contiguous(), t = target.contiguous(), w = weights_of(self, weight);
  const Written result(output, at::MemoryFormat::Contiguous);
  xpu::BceArgs args{};
  args.out = out(result.get());
  args.in = in(x);
  args.target = in(t);
  args.weight = w.defined() ? in(w) : nullptr;
  args.n = self.numel();
  args.op = op;
  args.what = "all elements of input should be between 0 and 1";
  run(op, self, [&](Stream& stream) { xpu::bce(stream, type, args); });
  result.finish();
  check_indexed(self);
}

} // namespace

Tensor& binary_cross_entropy_out(const Tensor& self, const Tensor& target,
                                 const OptionalTensor& weight, int64_t reduction, Tensor& out) {
  if (reduction == at::Reduction::None) {
    at::native::resize_output(out, self.sizes());
    each(self, target, weight, out);
    return out;
  }
  const Tensor loss = at::empty_like(self, at::MemoryFormat::Contiguous);
  each(self, target, weight, loss);
  at::native::resize_output(out, {});
  return reduction == at::Reduction::Mean ? at::mean_out(out, loss, at::IntArrayRef{})
                                          : at::sum_out(out, loss, at::IntArrayRef{});
}

Tensor binary_cross_entropy(const Tensor& self, const Tensor& target,
                            const OptionalTensor& weight, int64_t reduction) {
  const Tensor loss = at::empty_like(self);
  each(self, target, weight, loss);
  if (reduction == at::Reduction::Mean) return loss.mean();
  if (reduction == at::Reduction::Sum) return loss.sum();
  return loss;
}

Tensor& binary_cross_entropy_backward_out(const Tensor& grad, const Tensor& self,
                                          const Tensor& target, const OptionalTensor& weight,
                                          int64_t reduction, Tensor& grad_input) {
  const char* op = "binary_cross_entropy_backward";
  const xpu::DType type = checked(op, self, target, weight);
  const Tensor x = self.contiguous(), t = target.contiguous(), w = weights_of(self, weight);
  const bool one = grad.numel() == 1;
  const Tensor g = one ? grad.contiguous() : grad.expand(self.sizes()).contiguous();
  at::native::resize_output(grad_input, self.sizes());
  const Written result(grad_input, at::MemoryFormat::Contiguous);
  xpu::BceArgs args{};
  args.out = out(result.get());
  args.in = in(x);
  args.target = in(t);
  args.weight = w.defined() ? in(w) : nullptr;
  args.grad_out = in(g);
  args.grad_step = one ? 0 : 1;
  args.n = self.numel();
  args.op = op;
  args.divisor = reduction == at::Reduction::Mean ? self.numel() : 1;
  run(op, self, [&](Stream& stream) { xpu::bce_backward(stream, type, args); });
  result.finish();
  return grad_input;
}

Tensor binary_cross_entropy_backward(const Tensor& grad, const Tensor& self,
                                     const Tensor& target, const OptionalTensor& weight,
                                     int64_t reduction) {
  Tensor grad_input = at::empty_like(self);
  return binary_cross_entropy_backward_out(grad, self, target, weight, reduction, grad_input);
}

} // namespace xpu_lite::aten::sycl
