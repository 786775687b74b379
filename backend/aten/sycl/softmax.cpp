#include "backend/aten/sycl/softmax.h"

#include <limits>

#include <ATen/WrapDimUtils.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/where.h>

#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/softmax.h"

namespace xpu_lite::aten::sycl {

namespace {

using at::Tensor;

xpu::SoftmaxShape softmax_shape(const Tensor& t, int64_t dim_) {
  xpu::SoftmaxShape s{1, 1, 1};
  if (t.dim() == 0) return s;
  const int64_t dim = at::maybe_wrap_dim(dim_, t.dim());
  for (int64_t d = 0; d < t.dim(); ++d) {
    (d < dim ? s.outer : d == dim ? s.length : s.inner) *= t.size(d);
  }
  return s;
}

// The kernels take dense tensors of one dtype. A result that is neither is copied.
struct Result {
  explicit Result(const Tensor& wanted, at::ScalarType type)
      : wanted(wanted),
        dense(wanted.is_contiguous() && wanted.scalar_type() == type
                  ? wanted
                  : at::empty_like(wanted, wanted.options().dtype(type),
                                   at::MemoryFormat::Contiguous)) {}
  void finish() const {
    if (!dense.is_same(wanted)) wanted.copy_(dense);
  }
  const Tensor& wanted;
  Tensor dense;
};

void check_type(const char* op, const Tensor& t) {
  TORCH_CHECK_NOT_IMPLEMENTED(at::isFloatingType(t.scalar_type()) && t.element_size() > 1, "\"",
                              op, "\" not implemented for '", t.scalar_type(), "'");
}

void forward(const char* op, bool log, const Tensor& self_, int64_t dim, const Tensor& out_) {
  if (out_.numel() == 0) return;
  // half_to_float: out is float, and so is the arithmetic
  const Tensor self = self_.to(out_.scalar_type()).contiguous();
  check_type(op, self);
  const Result result(out_, self.scalar_type());
  run(op, self, [&](Stream& stream) {
    xpu::softmax(stream, dtype_of(op, self.scalar_type()), log, softmax_shape(self, dim), in(self),
                 out(result.dense));
  });
  result.finish();
}

void backward(const char* op, bool log, const Tensor& grad_, const Tensor& output_, int64_t dim,
              const Tensor& grad_input) {
  if (grad_input.numel() == 0) return;
  const Tensor output = output_.contiguous();
  const Tensor grad = grad_.to(output.scalar_type()).contiguous();
  check_type(op, grad);
  const Result result(grad_input, grad.scalar_type());
  run(op, grad, [&](Stream& stream) {
    xpu::softmax_backward(stream, dtype_of(op, grad.scalar_type()), log, softmax_shape(grad, dim),
                          in(grad), in(output), out(result.dense));
  });
  result.finish();
}

} // namespace

void structured_softmax::impl(const Tensor& self, int64_t dim, bool, const Tensor& out) {
  forward("_softmax", false, self, dim, out);
}
void structured_log_softmax::impl(const Tensor& self, int64_t dim, bool, const Tensor& out) {
  forward("_log_softmax", true, self, dim, out);
}
void structured_softmax_backward::impl(const Tensor& grad, const Tensor& output, int64_t dim,
                                       at::ScalarType, const Tensor& grad_input) {
  backward("_softmax_backward_data", false, grad, output, dim, grad_input);
}
void structured_log_softmax_backward::impl(const Tensor& grad, const Tensor& output, int64_t dim,
                                           at::ScalarType, const Tensor& out) {
  backward("_log_softmax_backward_data", true, grad, output, dim, out);
}

namespace {

// mask_type 0: [L, L], 1: [B, L], 2: the shape of self.
Tensor expand_mask(const Tensor& self, const Tensor& mask, std::optional<int64_t> mask_type) {
  TORCH_CHECK(mask.scalar_type() == at::kBool, "Mask should be a boolean tensor");
  if (mask.sizes() == self.sizes()) return mask;
  TORCH_CHECK(self.dim() == 4, "_masked_softmax: expected self [B, H, L, L] for a mask of "
              "sizes ", mask.sizes(), ", got ", self.sizes());
  TORCH_CHECK(mask_type.has_value() && (*mask_type == 0 || *mask_type == 1),
              "_masked_softmax: mask_type should be 0 (src_mask) or 1 (src_key_padding_mask) "
              "for a mask of sizes ", mask.sizes());
  if (*mask_type == 0) return mask.expand(self.sizes());
  return mask.view({mask.size(0), 1, 1, mask.size(1)}).expand(self.sizes());
}

} // namespace

Tensor masked_softmax(const Tensor& self, const Tensor& mask_, std::optional<int64_t> dim_,
                      std::optional<int64_t> mask_type) {
  const int64_t dim = dim_.value_or(self.dim() - 1);
  const Tensor mask = expand_mask(self, mask_, mask_type);
  const Tensor masked = self.masked_fill(mask, -std::numeric_limits<double>::infinity());
  const Tensor probabilities = at::_softmax(masked, dim, false);
  // a row with everything masked has no maximum; as on the CPU it gives zeros
  return probabilities.masked_fill(mask, 0);
}

Tensor masked_softmax_backward(const Tensor& grad, const Tensor& output, const Tensor& mask,
                               std::optional<int64_t> dim) {
  const Tensor full = mask.expand(grad.sizes());
  const Tensor kept = output.masked_fill(full, 0);
  return at::_softmax_backward_data(grad.masked_fill(full, 0), kept,
                                    dim.value_or(output.dim() - 1), output.scalar_type());
}

} // namespace xpu_lite::aten::sycl
