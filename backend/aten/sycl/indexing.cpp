#include "backend/aten/sycl/indexing.h"

#include <limits>

#include <ATen/ExpandUtils.h>
#include <ATen/MemoryOverlap.h>
#include <ATen/TensorUtils.h>
#include <ATen/WrapDimUtils.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "backend/aten/sycl/index_walk.h"
#include "backend/aten/sycl/refuse.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::Tensor;

// out[.., index[i], ..] = combine(out[.., index[i], ..], source[.., i, ..])
void combine_along(const char* op, const Tensor& out, int64_t dim, const Tensor& index,
                   const Tensor& source, Combine how, xpu::KernelFault fault) {
  if (index.numel() == 0 || source.numel() == 0) return;
  IndexArgs walk = walk_over(op, source.sizes());
  set_index(walk, index, out, dim);
  if (source.dim() == 0) walk.error_dim = 0;
  set_dst(walk, out, dim);
  set_src(walk, source);
  walk.fault = fault;
  apply_indexed(out, out.scalar_type(), how, walk);
  check_indexed(out);
}

at::Scalar identity_of(c10::string_view reduce, at::ScalarType type) {
  if (reduce == "prod") return 1;
  if (reduce == "mean") return 0;
  const bool least = reduce == "amax"; // the identity of max is the least value
  if (at::isFloatingType(type)) {
    const double infinity = std::numeric_limits<double>::infinity();
    return least ? -infinity : infinity;
  }
  switch (type) {
    case at::kByte: return least ? 0 : 255;
    case at::kBool: return !least;
    case at::kChar: return least ? -128 : 127;
    case at::kShort: return least ? -32768 : 32767;
    case at::kInt:
      return least ? std::numeric_limits<int32_t>::min() : std::numeric_limits<int32_t>::max();
    default:
      return least ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
  }
}

} // namespace

void structured_index_add::impl(const Tensor& self, int64_t dim, const Tensor& index,
                                const Tensor& source, const at::Scalar& alpha,
                                const Tensor& out) {
  if (!out.is_same(self)) out.copy_(self);
  if (self.numel() == 0) return;
  const Tensor scaled = alpha.equal(1) ? source : source.mul(alpha);
  combine_along("index_add", out, dim, index, scaled, Combine::Add,
                xpu::KernelFault::IndexRuntime);
}

void structured_index_reduce::impl(const Tensor& self, int64_t dim, const Tensor& index,
                                   const Tensor& source, c10::string_view reduce,
                                   bool include_self, const Tensor& out) {
  TORCH_WARN_ONCE("index_reduce() is in beta and the API may change at any time.");
  if (self.dim() <= 1) refuse_bool("index_reduce", self.scalar_type());
  if (!out.is_same(self)) out.copy_(self);
  if (self.numel() == 0 || index.numel() == 0) return;
  if (!include_self) out.index_fill_(dim, index, identity_of(reduce, out.scalar_type()));
  const Combine how = reduce == "prod"   ? Combine::Multiply
                      : reduce == "amax" ? Combine::Max
                      : reduce == "amin" ? Combine::Min
                                         : Combine::Add;
  combine_along("index_reduce", out, dim, index, source, how, xpu::KernelFault::Index);
  if (reduce != "mean") return;
  Tensor counts = include_self ? at::ones_like(out) : at::zeros_like(out);
  counts.index_add_(dim, index, at::ones_like(source));
  counts.masked_fill_(counts.eq(0), 1);
  if (at::isFloatingType(out.scalar_type()) || at::isComplexType(out.scalar_type()))
    out.div_(counts);
  else
    out.div_(counts, "floor");
}

namespace {

// `op` is whom an error of an index names.
Tensor& select_into(const char* op, const Tensor& self, int64_t dim, const Tensor& index,
                    Tensor& out) {
  dim = at::maybe_wrap_dim(dim, self.dim());
  TORCH_CHECK_INDEX(index.dim() <= 1, "index_select(): Index is supposed to be a vector, but got ",
                    "dim: ", index.dim(), " with shape: ", index.sizes());
  TORCH_CHECK(!(self.dim() == 0 && index.numel() != 1),
              "index_select(): Index to scalar can have only 1 value, got ", index.numel(),
              " value(s)");
  TORCH_CHECK(index.scalar_type() == at::kLong || index.scalar_type() == at::kInt,
              "index_select(): Expected dtype int32 or int64 for index but got: ",
              index.scalar_type());
  TORCH_CHECK(self.scalar_type() == out.scalar_type(),
              "index_select(): self and result must have the same scalar type, got ",
              self.scalar_type(), " and ", out.scalar_type());
  TORCH_CHECK(self.device() == index.device() && self.device() == out.device(),
              "index_select(): self, index and result must be on the same device, got ",
              self.device(), ", ", index.device(), " and ", out.device());
  at::assert_no_internal_overlap(out);
  at::assert_no_overlap(out, self);
  at::assert_no_overlap(out, index);
  at::DimVector sizes(self.sizes());
  if (self.dim()) sizes[dim] = index.numel();
  at::native::resize_output(out, sizes);
  if (out.numel() == 0) return out;
  TORCH_CHECK_INDEX(self.numel() != 0, "index_select(): index out of range: self has shape ",
                    self.sizes(), " and no elements to select");
  IndexArgs walk = walk_over(op, sizes);
  set_index(walk, index, self, dim);
  set_dst(walk, out);
  set_src(walk, self, dim);
  get_indexed(out, self.element_size(), walk);
  check_indexed(out);
  return out;
}

} // namespace

Tensor& index_select_out(const Tensor& self, int64_t dim, const Tensor& index, Tensor& out) {
  return select_into("index_select", self, dim, index, out);
}

Tensor index_select(const Tensor& self, int64_t dim, const Tensor& index) {
  Tensor out = at::empty({0}, self.options());
  index_select_out(self, dim, index, out);
  return out;
}

Tensor embedding(const Tensor& weight, const Tensor& indices, int64_t /*padding_idx*/,
                 bool /*scale_grad_by_freq*/, bool /*sparse*/) {
  TORCH_CHECK(weight.dim() == 2, "'weight' must be 2-D");
  at::checkScalarTypes("embedding", {indices, "indices", 1}, {at::kLong, at::kInt});
  at::DimVector sizes(indices.sizes());
  sizes.push_back(weight.size(1));
  Tensor out = at::empty({0}, weight.options());
  return select_into("embedding", weight, 0, indices.reshape({-1}), out).view(sizes);
}

Tensor embedding_dense_backward(const Tensor& grad, const Tensor& indices, int64_t num_weights,
                                int64_t padding_idx, bool scale_grad_by_freq) {
  TORCH_CHECK(indices.scalar_type() == at::kLong || indices.scalar_type() == at::kInt,
              "embedding_backward: expected indices of dtype int32 or int64, got ",
              indices.scalar_type());
  const Tensor index = indices.reshape({-1});
  Tensor rows = grad.reshape({index.numel(), grad.size(-1)});
  Tensor out = at::zeros({num_weights, grad.size(-1)}, grad.options());
  if (index.numel() == 0 || out.numel() == 0) return out;
  if (scale_grad_by_freq) {
    Tensor counts = at::zeros({num_weights}, grad.options().dtype(at::kLong));
    counts.index_add_(0, index, at::ones({index.numel()}, counts.options()));
    rows = rows.div(counts.index_select(0, index).unsqueeze(-1).to(rows.scalar_type()));
  }
  combine_along("embedding_dense_backward", out, 0, index, rows, Combine::Add,
                xpu::KernelFault::Index);
  if (padding_idx >= 0 && padding_idx < num_weights) out.select(0, padding_idx).zero_();
  return out;
}

Tensor& embedding_renorm_(Tensor& self, const Tensor& indices, double max_norm,
                          double norm_type) {
  TORCH_CHECK(self.dim() == 2, "embedding_renorm_: expected a matrix of weights, got ",
              self.sizes());
  const Tensor index = indices.reshape({-1});
  if (index.numel() == 0) return self;
  // A row that occurs twice is scaled once: both occurrences compute the same row.
  const Tensor rows = self.index_select(0, index);
  const Tensor norms = rows.norm(norm_type, at::IntArrayRef{1}, /*keepdim=*/true);
  const Tensor scale = norms.add(1e-7).reciprocal().mul(max_norm).masked_fill(
      norms.le(max_norm), 1);
  self.index_copy_(0, index.to(at::kLong), rows.mul(scale.to(rows.scalar_type())));
  return self;
}

Tensor& masked_fill_scalar_(Tensor& self, const Tensor& mask, const at::Scalar& value) {
  TORCH_CHECK(mask.scalar_type() == at::kBool,
              "masked_fill_ only supports boolean masks, but got mask with dtype ",
              mask.scalar_type());
  TORCH_CHECK(self.device() == mask.device(),
              "expected self and mask to be on the same device, but got mask on ",
              mask.device(), " and self on ", self.device());
  if (at::has_internal_overlap(self) == at::MemOverlap::Yes) // every writer writes the same
    TORCH_WARN("Use of masked_fill_ on expanded tensors is deprecated. Please clone() the "
               "tensor before performing this operation. This also applies to advanced "
               "indexing e.g. tensor[mask] = scalar");
  at::assert_no_partial_overlap(self, mask);
  const Tensor over = mask.expand(self.sizes());
  if (self.numel() == 0) return self;
  IndexArgs walk = walk_over("masked_fill_", self.sizes());
  set_dst(walk, self);
  set_src(walk, over);
  set_fill(walk, value, self.scalar_type());
  fill_masked(self, self.element_size(), walk);
  return self;
}

Tensor& masked_fill_tensor_(Tensor& self, const Tensor& mask, const Tensor& value) {
  TORCH_CHECK(value.dim() == 0,
              "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ",
              value.dim(), " dimension(s).");
  if (value.device().is_cpu() || at::has_internal_overlap(self) == at::MemOverlap::Yes)
    return masked_fill_scalar_(self, mask, value.item());
  TORCH_CHECK(mask.scalar_type() == at::kBool,
              "masked_fill_ only supports boolean masks, but got mask with dtype ",
              mask.scalar_type());
  const Tensor filled = at::empty_like(self).copy_(value.to(self.scalar_type()));
  // The value stays on the device: no wait for it.
  self.copy_(at::where(mask.expand(self.sizes()), filled, self));
  return self;
}

Tensor& masked_select_out(const Tensor& self, const Tensor& mask, Tensor& out) {
  TORCH_CHECK(mask.scalar_type() == at::kBool, "masked_select: expected BoolTensor for mask");
  TORCH_CHECK(self.scalar_type() == out.scalar_type(),
              "masked_select(): self and result must have the same scalar type, got ",
              self.scalar_type(), " and ", out.scalar_type());
  at::assert_no_internal_overlap(out);
  at::assert_no_overlap(out, self);
  at::assert_no_overlap(out, mask);
  const auto sizes = at::infer_size(self.sizes(), mask.sizes());
  const Tensor places = mask.expand(sizes).reshape({-1}).nonzero().select(1, 0);
  const Tensor from = self.expand(sizes).reshape({-1});
  at::native::resize_output(out, places.sizes());
  if (places.numel() == 0) return out;
  IndexArgs walk = walk_over("masked_select", places.sizes());
  set_index(walk, places, from, 0);
  set_dst(walk, out);
  set_src(walk, from, 0);
  get_indexed(out, from.element_size(), walk);
  return out;
}

Tensor masked_select(const Tensor& self, const Tensor& mask) {
  Tensor out = at::empty({0}, self.options());
  return masked_select_out(self, mask, out);
}

Tensor& masked_scatter_(Tensor& self, const Tensor& mask, const Tensor& source) {
  at::assert_no_internal_overlap(self);
  TORCH_CHECK(self.scalar_type() == source.scalar_type(),
              "masked_scatter_: expected self and source to have same dtypes but got ",
              self.scalar_type(), " and ", source.scalar_type());
  TORCH_CHECK(mask.scalar_type() == at::kBool,
              "masked_scatter_ only supports boolean masks, but got mask with dtype ",
              mask.scalar_type());
  TORCH_CHECK(self.device() == mask.device() && self.device() == source.device(),
              "masked_scatter_: expected self, mask and source on one device, got ",
              self.device(), ", ", mask.device(), " and ", source.device());
  const Tensor places = mask.expand(self.sizes()).reshape({-1}).nonzero().select(1, 0);
  TORCH_CHECK(places.numel() <= source.numel(),
              "Number of elements of source < number of ones in mask (", source.numel(), " < ",
              places.numel(), ")");
  if (places.numel() == 0) return self;
  const Tensor to = self.contiguous();
  const Tensor from = source.reshape({-1}).narrow(0, 0, places.numel());
  const Tensor flat = to.view({-1});
  IndexArgs walk = walk_over("masked_scatter_", places.sizes());
  set_index(walk, places, flat, 0);
  set_dst(walk, flat, 0);
  set_src(walk, from);
  put_indexed(self, self.element_size(), walk);
  if (!to.is_same(self)) self.copy_(to);
  return self;
}

} // namespace xpu_lite::aten::sycl
