#include "backend/aten/sycl/counting.h"

#include <cmath>

#include <ATen/WrapDimUtils.h>
#include <ATen/native/Resize.h>
#include <ATen/native/TensorCompare.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/unique_dim_consecutive.h>
#include <ATen/ops/zeros.h>

#include "backend/aten/sycl/refuse.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::Tensor;

// Where `values` (one dimension) begin to differ from what is before them.
Tensor run_heads(const Tensor& values) {
  Tensor heads = at::ones({values.numel()}, values.options().dtype(at::kBool));
  if (values.numel() > 1) {
    const int64_t n = values.numel() - 1;
    heads.narrow(0, 1, n).copy_(values.narrow(0, 1, n).ne(values.narrow(0, 0, n)));
  }
  return heads;
}

struct Runs {
  Tensor values, number, counts; // number: of the run that each element is in
};
Runs runs_of(const Tensor& values, bool numbers, bool counts) {
  const Tensor heads = run_heads(values);
  const Tensor starts = heads.nonzero().select(1, 0);
  Runs runs{values.index_select(0, starts), Tensor(), Tensor()};
  const auto longs = values.options().dtype(at::kLong);
  if (numbers) runs.number = heads.cumsum(0, at::kLong).sub(1);
  if (counts) {
    const Tensor ends =
        at::cat({starts.narrow(0, 1, starts.numel() - 1), at::full({1}, values.numel(), longs)});
    runs.counts = ends.sub(starts);
  }
  return runs;
}

Tensor none(const Tensor& self) { return at::empty({0}, self.options().dtype(at::kLong)); }

} // namespace

Tensor bincount(const Tensor& self, const std::optional<Tensor>& weights_arg,
                int64_t minlength) {
  refuse_if(!at::isIntegralType(self.scalar_type(), false), "bincount", self.scalar_type());
  TORCH_CHECK(minlength >= 0, "minlength should be >= 0");
  const Tensor weights = weights_arg.value_or(Tensor());
  if (self.dim() == 1 && self.numel() == 0)
    return at::zeros({minlength}, self.options().dtype(at::kLong));
  TORCH_CHECK(self.dim() == 1 && at::isIntegralType(self.scalar_type(), false),
              "bincount only supports 1-d non-negative integral inputs.");
  const bool weighted = weights.defined();
  TORCH_CHECK(!weighted || (weights.dim() == 1 && weights.size(0) == self.size(0)),
              "weights should be 1-d and have the same length as input");
  TORCH_CHECK(self.min().item<int64_t>() >= 0,
              "bincount only supports 1-d non-negative integral inputs.");
  const int64_t bins = std::max(self.max().item<int64_t>() + 1, minlength);
  const at::ScalarType type = !weighted                              ? at::kLong
                              : weights.scalar_type() == at::kFloat ? at::kFloat
                                                                    : at::kDouble;
  Tensor counts = at::zeros({bins}, self.options().dtype(type));
  return counts.index_add_(0, self.to(at::kLong),
                           weighted ? weights.to(type)
                                    : at::ones({self.numel()}, counts.options()));
}

Tensor& histc_out(const Tensor& self, int64_t bins, const at::Scalar& min,
                  const at::Scalar& max, Tensor& out) {
  TORCH_CHECK(bins > 0, "bins must be > 0");
  TORCH_CHECK(self.scalar_type() == out.scalar_type(),
              "torch.histogram: input tensor and hist tensor should have the same dtype, but got "
              "input ",
              self.scalar_type(), " and hist ", out.scalar_type());
  refuse_if(!at::isFloatingType(self.scalar_type()), "histc", self.scalar_type());
  at::native::resize_output(out, {bins});
  out.zero_();
  if (self.numel() == 0) return out;
  Tensor x = self.reshape({-1});
  double low = min.toDouble(), high = max.toDouble();
  if (low == high) {
    low = x.min().item().toDouble();
    high = x.max().item().toDouble();
    if (low == high) low -= 1, high += 1;
  }
  TORCH_CHECK(std::isfinite(low) && std::isfinite(high), "torch.histc: range of [", low, ", ",
              high, "] is not finite");
  TORCH_CHECK(low < high, "torch.histc: max must be larger than min");
  x = x.masked_select(x.ge(low).logical_and_(x.le(high)));
  if (x.numel() == 0) return out;
  Tensor bin = x.sub(low).mul_(static_cast<double>(bins)).div_(high - low).to(at::kLong);
  bin.clamp_(0, bins - 1);
  out.copy_(at::zeros({bins}, bin.options()).index_add_(0, bin, at::ones_like(bin)));
  return out;
}

Tensor histc(const Tensor& self, int64_t bins, const at::Scalar& min, const at::Scalar& max) {
  Tensor out = at::empty({0}, self.options());
  return histc_out(self, bins, min, max, out);
}

Tensor repeat_interleave(const Tensor& repeats, std::optional<int64_t> output_size) {
  TORCH_CHECK(repeats.dim() == 1, "repeat_interleave only accept 1D vector as repeat");
  TORCH_CHECK(repeats.scalar_type() == at::kLong || repeats.scalar_type() == at::kInt,
              "repeats has to be Long or Int tensor");
  if (repeats.size(0) == 0) return at::empty_like(repeats);
  const Tensor ends = repeats.cumsum(0);
  TORCH_CHECK(repeats.ge(0).all().item<bool>(), "repeats can not be negative");
  const int64_t total = ends.select(0, -1).item<int64_t>();
  TORCH_CHECK(!output_size || *output_size == total, "allocated size does not match required size");
  const Tensor at = at::arange(total, repeats.options().dtype(at::kLong));
  return at::searchsorted(ends.to(at::kLong), at, false, true).to(repeats.scalar_type());
}

std::tuple<Tensor, Tensor, Tensor> unique2(const Tensor& self, bool /*sorted*/,
                                           bool return_inverse, bool return_counts) {
  refuse_if(self.is_complex(), "unique", self.scalar_type());
  if (self.numel() == 0) {
    Tensor inverse = return_inverse ? at::empty(self.sizes(), self.options().dtype(at::kLong))
                                    : none(self);
    return {at::empty({0}, self.options()), inverse, none(self)};
  }
  const auto [values, order] = self.reshape({-1}).sort(/*stable=*/std::optional<bool>(true), 0, false);
  const Runs runs = runs_of(values, return_inverse, return_counts);
  Tensor inverse = none(self);
  if (return_inverse) {
    inverse = at::empty({self.numel()}, order.options()).scatter_(0, order, runs.number);
    inverse = inverse.view(self.sizes());
  }
  return {runs.values, inverse, return_counts ? runs.counts : none(self)};
}

std::tuple<Tensor, Tensor> unique(const Tensor& self, bool sorted, bool return_inverse) {
  auto [values, inverse, counts] = unique2(self, sorted, return_inverse, false);
  return {values, inverse};
}

std::tuple<Tensor, Tensor, Tensor> unique_consecutive(const Tensor& self, bool return_inverse,
                                                      bool return_counts,
                                                      std::optional<int64_t> dim) {
  refuse_if(self.is_complex(), "unique", self.scalar_type());
  if (dim && !(*dim == 0 && self.dim() == 1))
    return at::unique_dim_consecutive(self, *dim, return_inverse, return_counts);
  if (self.numel() == 0) {
    Tensor inverse = return_inverse ? at::empty(self.sizes(), self.options().dtype(at::kLong))
                                    : none(self);
    return {at::empty({0}, self.options()), inverse, none(self)};
  }
  const Runs runs = runs_of(self.reshape({-1}), return_inverse, return_counts);
  return {runs.values, return_inverse ? runs.number.view(self.sizes()) : none(self),
          return_counts ? runs.counts : none(self)};
}

Tensor count_nonzero(const Tensor& self, at::IntArrayRef dims) {
  return self.ne(0).sum(dims);
}

bool equal(const Tensor& self, const Tensor& other) {
  TORCH_CHECK(self.device() == other.device(), "Cannot compare two tensors on different devices. "
              "Got: ", self.device(), " and ", other.device());
  TORCH_CHECK(self.scalar_type() == other.scalar_type(),
              "Expected object of data type ", self.scalar_type(), " but got data type ",
              other.scalar_type(), " for argument 'other' in call to equal");
  if (!self.sizes().equals(other.sizes())) return false;
  if (self.numel() == 0) return true;
  return self.eq(other).all().item<bool>();
}

Tensor unfold_backward(const Tensor& grad, at::IntArrayRef input_sizes, int64_t dim,
                       int64_t size, int64_t step) {
  Tensor out = at::zeros(input_sizes, grad.options());
  if (grad.numel() == 0) return out;
  if (input_sizes.empty()) return out.copy_(grad.reshape({}));
  dim = at::maybe_wrap_dim(dim, static_cast<int64_t>(input_sizes.size()));
  const int64_t windows = grad.size(dim);
  const auto longs = grad.options().dtype(at::kLong);
  const Tensor places = at::arange(windows, longs).mul_(step).unsqueeze(1).add(
      at::arange(size, longs).unsqueeze(0));
  // [.., windows, .., size] -> [.., windows * size, ..]
  const Tensor rows = grad.movedim(-1, dim + 1).flatten(dim, dim + 1);
  return out.index_add_(dim, places.reshape({-1}), rows);
}

namespace {

void isin_kernel(const Tensor& elements, const Tensor& test, bool invert, const Tensor& out) {
  const Tensor to = test.reshape({-1});
  if (to.numel() == 0) {
    out.fill_(invert);
    return;
  }
  const Tensor each = elements.unsqueeze(-1);
  out.copy_(invert ? each.ne(to).all(-1) : each.eq(to).any(-1));
}

} // namespace
} // namespace xpu_lite::aten::sycl

namespace at::native {
using namespace xpu_lite::aten::sycl;
REGISTER_PRIVATEUSE1_DISPATCH(isin_default_stub, &isin_kernel)
} // namespace at::native
