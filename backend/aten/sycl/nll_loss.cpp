#include <cmath>

#include <ATen/core/Reduction.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/empty.h>

#include "backend/aten/sycl/index_walk.h"
#include "backend/aten/sycl/layout.h"
#include "backend/aten/sycl/loss.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/loss.h"

namespace xpu_lite::aten::sycl {

namespace {

xpu::DType type_of(const char* op, const Tensor& t) {
  const at::ScalarType type = t.scalar_type();
  TORCH_CHECK_NOT_IMPLEMENTED(type == at::kFloat || type == at::kDouble || type == at::kHalf ||
                                  type == at::kBFloat16,
                              '"', op, "\" not implemented for '", type, "'");
  return dtype_of(op, type);
}

void check_target(const char* op, const Tensor& self, const Tensor& target) {
  TORCH_CHECK(target.device() == self.device(), op, ": expected target on ", self.device(),
              ", but it is on ", target.device());
  TORCH_CHECK(target.scalar_type() == at::kLong || target.scalar_type() == at::kByte,
              "expected scalar type Long but found ", target.scalar_type());
}

void check_same_type(const Tensor& self, const Tensor& other) {
  TORCH_CHECK(!other.defined() || other.scalar_type() == self.scalar_type(),
              "expected scalar type ", self.scalar_type(), " but found ", other.scalar_type());
}

Tensor dense_loss(const Tensor& t) { return t.defined() ? t.contiguous() : t; }
const void* data(const Tensor& t) { return t.defined() ? in(t) : nullptr; }

// `classes` is the dimension of the classes; what follows it are positions.
void forward(const char* op, const Tensor& self, const Tensor& target, const Tensor& weight,
             int64_t reduction, int64_t ignore_index, const Tensor& output,
             const Tensor& total_weight, int64_t classes, int64_t positions) {
  const xpu::DType type = type_of(op, self);
  check_target(op, self, target);
  check_same_type(self, weight);
  const bool each = output.dim() != 0 && reduction == at::Reduction::None;
  if (target.numel() == 0) {
    total_weight.zero_();
    if (!each) output.fill_(reduction == at::Reduction::Mean ? NAN : 0.0);
    return;
  }
  const Tensor source = self.contiguous(), goals = target.contiguous(), weights = dense_loss(weight);
  const Tensor partial =
      each ? Tensor()
           : at::empty({static_cast<int64_t>(xpu::nll_loss_bytes(
                           static_cast<int>(self.get_device()), type, target.numel()))},
                       self.options().dtype(at::kByte));
  const Written result(output, at::MemoryFormat::Contiguous);
  xpu::NllLossArgs args{};
  args.out = out(result.get());
  args.total_weight = out(total_weight);
  args.partial = each ? nullptr : out(partial);
  args.in = in(source);
  args.target = in(goals);
  args.weight = data(weights);
  args.targets = target.numel();
  args.positions = positions;
  args.classes = classes;
  args.ignore = ignore_index;
  args.op = op;
  args.byte_target = target.scalar_type() == at::kByte;
  args.mean = reduction == at::Reduction::Mean;
  run(op, self, [&](Stream& stream) { xpu::nll_loss(stream, type, each, args); });
  result.finish();
  check_indexed(self);
}

void backward(const char* op, const Tensor& grad_output, const Tensor& self,
              const Tensor& target, const Tensor& weight, int64_t reduction,
              int64_t ignore_index, const Tensor& total_weight, const Tensor& grad_input,
              int64_t classes, int64_t positions) {
  const xpu::DType type = type_of(op, self);
  check_target(op, self, target);
  for (const Tensor& other : {grad_output, weight, total_weight}) check_same_type(self, other);
  if (grad_input.numel() == 0) return;
  const Tensor grad = grad_output.contiguous(), goals = target.contiguous(),
               weights = dense_loss(weight);
  const Written result(grad_input, at::MemoryFormat::Contiguous);
  xpu::NllLossBackwardArgs args{};
  args.grad_in = out(result.get());
  args.grad_out = in(grad);
  args.target = in(goals);
  args.weight = data(weights);
  args.total_weight = in(total_weight);
  args.targets = target.numel();
  args.positions = positions;
  args.classes = classes;
  args.ignore = ignore_index;
  args.op = op;
  args.byte_target = target.scalar_type() == at::kByte;
  args.mean = reduction == at::Reduction::Mean;
  args.each = reduction == at::Reduction::None && grad_output.numel() == target.numel();
  run(op, self, [&](Stream& stream) {
    xpu::nll_loss_backward(stream, type, args, result.get().nbytes());
  });
  result.finish();
}

void check_nll_loss2d(const Tensor& self, const Tensor& target, const Tensor& weight) {
  TORCH_CHECK(target.dim() == 3,
              "only batches of spatial targets supported (3D tensors) but got targets of "
              "dimension: ", target.dim());
  TORCH_CHECK(self.dim() == 4,
              "only batches of spatial inputs supported (4D tensors), but got input of "
              "dimension: ", self.dim());
  TORCH_CHECK(!weight.defined() || weight.numel() == self.size(1),
              "weight tensor should be defined either for all or no classes");
  TORCH_CHECK(self.size(0) == target.size(0) && self.size(2) == target.size(1) &&
                  self.size(3) == target.size(2),
              "size mismatch (got input: ", self.sizes(), " , target: ", target.sizes());
}

} // namespace

void structured_nll_loss::impl(const Tensor& self, const Tensor& target,
                               at::OptionalTensorRef weight, int64_t reduction,
                               int64_t ignore_index, const Tensor& output,
                               const Tensor& total_weight) {
  forward("nll_loss", self, target, weight.getTensorRef(), reduction, ignore_index, output,
          total_weight, self.size(-1), 1);
}

void structured_nll_loss_backward::impl(const Tensor& grad_output, const Tensor& self,
                                        const Tensor& target, at::OptionalTensorRef weight,
                                        int64_t reduction, int64_t ignore_index,
                                        const Tensor& total_weight, const Tensor& grad_input) {
  backward("nll_loss_backward", grad_output, self, target, weight.getTensorRef(), reduction,
           ignore_index, total_weight, grad_input, self.size(-1), 1);
}

std::tuple<Tensor&, Tensor&> nll_loss2d_out(const Tensor& self, const Tensor& target,
                                            const OptionalTensor& weight, int64_t reduction,
                                            int64_t ignore_index, Tensor& output,
                                            Tensor& total_weight) {
  const Tensor weights = weight.value_or(Tensor());
  check_nll_loss2d(self, target, weights);
  at::native::resize_output(total_weight, {});
  if (reduction == at::Reduction::None) {
    at::native::resize_output(output, {self.size(0), self.size(2), self.size(3)});
  } else {
    at::native::resize_output(output, {});
  }
  forward("nll_loss2d", self, target, weights, reduction, ignore_index, output, total_weight,
          self.size(1), self.size(2) * self.size(3));
  return {output, total_weight};
}

std::tuple<Tensor, Tensor> nll_loss2d(const Tensor& self, const Tensor& target,
                                      const OptionalTensor& weight, int64_t reduction,
                                      int64_t ignore_index) {
  Tensor output = at::empty({0}, self.options()), total_weight = at::empty({0}, self.options());
  nll_loss2d_out(self, target, weight, reduction, ignore_index, output, total_weight);
  return {output, total_weight};
}

Tensor& nll_loss2d_backward_out(const Tensor& grad_output, const Tensor& self,
                                const Tensor& target, const OptionalTensor& weight,
                                int64_t reduction, int64_t ignore_index,
                                const Tensor& total_weight, Tensor& grad_input) {
  const Tensor weights = weight.value_or(Tensor());
  check_nll_loss2d(self, target, weights);
  TORCH_CHECK(total_weight.numel() == 1,
              "expected total_weight to be a single element tensor, got: ",
              total_weight.sizes());
  if (reduction == at::Reduction::None) {
    TORCH_CHECK(grad_output.sizes() == target.sizes(),
                "grad_output must have the same dimension as target, but got ",
                grad_output.sizes(), " and ", target.sizes());
  } else {
    TORCH_CHECK(grad_output.dim() <= 1 && grad_output.numel() == 1,
                "Expected a single element grad_output tensor, but got: ", grad_output.sizes());
  }
  at::native::resize_output(grad_input, self.sizes());
  backward("nll_loss2d_backward", grad_output, self, target, weights, reduction, ignore_index,
           total_weight, grad_input, self.size(1), self.size(2) * self.size(3));
  return grad_input;
}

Tensor nll_loss2d_backward(const Tensor& grad_output, const Tensor& self, const Tensor& target,
                           const OptionalTensor& weight, int64_t reduction,
                           int64_t ignore_index, const Tensor& total_weight) {
  Tensor grad_input = at::empty({0}, self.options());
  return nll_loss2d_backward_out(grad_output, self, target, weight, reduction, ignore_index,
                                 total_weight, grad_input);
}

} // namespace xpu_lite::aten::sycl
