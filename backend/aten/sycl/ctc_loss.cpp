#include "backend/aten/sycl/ctc_loss.h"

#include <algorithm>

#include <ATen/TensorUtils.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>

#include "backend/aten/sycl/index_walk.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/ctc_loss.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::IntArrayRef;
using at::Tensor;

constexpr const char* kCtc = "ctc_loss";

// The arguments of a call, checked and where the kernels want them.
struct CtcCall {
  Tensor log_probs, targets, lengths;
  int64_t longest; // target

  CtcCall(const Tensor& probs, const Tensor& labels, IntArrayRef input_lengths,
          IntArrayRef target_lengths, int64_t blank) {
    const at::TensorArg probs_arg(probs, "log_probs", 1), labels_arg(labels, "targets", 2);
    at::checkScalarTypes(kCtc, labels_arg, {at::kLong, at::kInt});
    at::checkDim(kCtc, probs_arg, 3);
    at::checkDimRange(kCtc, labels_arg, 1, 3);
    const int64_t steps = probs.size(0), batch = probs.size(1), kinds = probs.size(2);
    TORCH_CHECK(0 <= blank && blank < kinds, "blank must be in label range: ctc_loss got blank ",
                blank, " and ", kinds, " labels");
    TORCH_CHECK(static_cast<int64_t>(input_lengths.size()) == batch,
                "ctc_loss: input_lengths must be of size batch_size: expected ", batch, ", got ",
                input_lengths.size());
    TORCH_CHECK(static_cast<int64_t>(target_lengths.size()) == batch,
                "ctc_loss: target_lengths must be of size batch_size: expected ", batch, ", got ",
                target_lengths.size());
    std::vector<int64_t> numbers(3 * batch);
    int64_t total = 0;
    longest = 0;
    for (int64_t b = 0; b < batch; ++b) {
      TORCH_CHECK(input_lengths[b] >= 0 && input_lengths[b] <= steps,
                  "ctc_loss: Expected input_lengths to have values from 0 to ", steps,
                  ", but got value ", input_lengths[b]);
      TORCH_CHECK(target_lengths[b] >= 0, "ctc_loss: Expected target_lengths to have value at "
                  "least 0, but got value ", target_lengths[b]);
      numbers[b] = input_lengths[b];
      numbers[batch + b] = target_lengths[b];
      numbers[2 * batch + b] = labels.dim() == 1 ? total : b * labels.size(1);
      total += target_lengths[b];
      longest = std::max(longest, target_lengths[b]);
    }
    if (labels.dim() == 1) {
      at::checkSize(kCtc, labels_arg, 0, total);
    } else {
      at::checkSize(kCtc, labels_arg, 0, batch);
      TORCH_CHECK(labels.size(1) >= longest, "Expected tensor to have size at least ", longest,
                  " at dimension 1, but got size ", labels.size(1), " for ", labels_arg,
                  " (while checking arguments for ", kCtc, ")");
      longest = labels.size(1);
    }
    log_probs = probs.contiguous();
    targets = labels.to(probs.device(), at::kLong).contiguous();
    lengths = at::tensor(numbers, at::kLong).to(probs.device());
  }

  template <class Real>
  xpu::CtcArgs<Real> args(int64_t blank) const {
    xpu::CtcArgs<Real> a{};
    a.log_probs = static_cast<const Real*>(in(log_probs));
    a.targets = static_cast<const int64_t*>(in(targets));
    a.lengths = static_cast<const int64_t*>(in(lengths));
    a.time = log_probs.size(0), a.batch = log_probs.size(1), a.labels = log_probs.size(2);
    a.states = 2 * longest + 1;
    a.blank = blank;
    return a;
  }
};

template <class Body>
void by_real_ctc(const char* dispatch, at::ScalarType type, const Body& body) {
  TORCH_CHECK_NOT_IMPLEMENTED(type == at::kFloat || type == at::kDouble, '"', dispatch,
                              "\" not implemented for '", type, "'");
  type == at::kDouble ? body(double{}) : body(float{});
}

std::vector<int64_t> numbers_of(const Tensor& lengths) {
  TORCH_CHECK(at::isIntegralType(lengths.scalar_type(), false),
              "ctc_loss: lengths must be integral, got ", lengths.scalar_type());
  const Tensor host = lengths.to(at::kCPU, at::kLong).contiguous();
  const int64_t* first = host.const_data_ptr<int64_t>();
  return {first, first + host.numel()};
}

} // namespace

std::tuple<Tensor, Tensor> ctc_loss(const Tensor& log_probs, const Tensor& targets,
                                    IntArrayRef input_lengths, IntArrayRef target_lengths,
                                    int64_t blank, bool /*zero_infinity*/) {
  const CtcCall call(log_probs, targets, input_lengths, target_lengths, blank);
  const int64_t batch = log_probs.size(1);
  const Tensor loss = at::empty({batch}, log_probs.options());
  const Tensor alpha =
      at::empty({batch, log_probs.size(0), 2 * call.longest + 1}, log_probs.options());
  by_real_ctc("ctc_loss_cpu", log_probs.scalar_type(), [&](auto zero) {
    using Real = decltype(zero);
    if (batch == 0) return;
    auto args = call.args<Real>(blank);
    args.loss = static_cast<Real*>(out(loss));
    args.alpha = static_cast<Real*>(out(alpha));
    run(kCtc, log_probs, [&](Stream& stream) { xpu::ctc_loss(stream, args); });
  });
  check_indexed(loss);
  return {loss, alpha};
}

std::tuple<Tensor, Tensor> ctc_loss_tensor(const Tensor& log_probs, const Tensor& targets,
                                           const Tensor& input_lengths,
                                           const Tensor& target_lengths, int64_t blank,
                                           bool zero_infinity) {
  return ctc_loss(log_probs, targets, numbers_of(input_lengths), numbers_of(target_lengths),
                  blank, zero_infinity);
}

Tensor ctc_loss_backward(const Tensor& grad, const Tensor& log_probs, const Tensor& targets,
                         IntArrayRef input_lengths, IntArrayRef target_lengths,
                         const Tensor& neg_log_likelihood, const Tensor& log_alpha,
                         int64_t blank, bool zero_infinity) {
  const CtcCall call(log_probs, targets, input_lengths, target_lengths, blank);
  const Tensor result = at::empty_like(log_probs, at::MemoryFormat::Contiguous);
  if (result.numel() == 0) return result;
  const Tensor alpha = log_alpha.contiguous(), beta = at::empty_like(alpha);
  const Tensor loss = neg_log_likelihood.contiguous();
  by_real_ctc("ctc_loss_backward_cpu", log_probs.scalar_type(), [&](auto zero) {
    using Real = decltype(zero);
    auto args = call.args<Real>(blank);
    args.loss = const_cast<Real*>(static_cast<const Real*>(in(loss)));
    args.alpha = const_cast<Real*>(static_cast<const Real*>(in(alpha)));
    args.beta = static_cast<Real*>(out(beta));
    args.grad = static_cast<const Real*>(in(grad));
    args.grad_stride = grad.dim() == 0 ? 0 : grad.stride(0);
    args.out = static_cast<Real*>(out(result));
    args.zero_infinity = zero_infinity;
    run("ctc_loss_backward", log_probs,
        [&](Stream& stream) { xpu::ctc_loss_backward(stream, args); });
  });
  return result;
}

Tensor ctc_loss_backward_tensor(const Tensor& grad, const Tensor& log_probs,
                                const Tensor& targets, const Tensor& input_lengths,
                                const Tensor& target_lengths, const Tensor& neg_log_likelihood,
                                const Tensor& log_alpha, int64_t blank, bool zero_infinity) {
  return ctc_loss_backward(grad, log_probs, targets, numbers_of(input_lengths),
                           numbers_of(target_lengths), neg_log_likelihood, log_alpha, blank,
                           zero_infinity);
}

} // namespace xpu_lite::aten::sycl
