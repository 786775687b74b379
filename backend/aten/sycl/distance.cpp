#include "backend/aten/sycl/distance.h"

#include <ATen/ExpandUtils.h>
#include <ATen/ops/_euclidean_dist.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/triu_indices.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/distance.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::Tensor;

// Both inputs with the same leading sizes, as one of them.
struct RowPairs {
  at::DimVector batch; // the leading sizes
  Tensor x1, x2;       // [product of batch, rows, columns], dense

  RowPairs(const Tensor& a, const Tensor& b)
      : batch(at::infer_size_dimvector(a.sizes().slice(0, a.dim() - 2),
                                       b.sizes().slice(0, b.dim() - 2))),
        x1(dense(a)), x2(dense(b)) {}
  int64_t count() const { return c10::multiply_integers(batch); }
  at::DimVector with(int64_t rows, int64_t columns) const {
    at::DimVector sizes = batch;
    sizes.push_back(rows);
    sizes.push_back(columns);
    return sizes;
  }

 private:
  Tensor dense(const Tensor& t) const {
    const int64_t rows = t.size(-2), columns = t.size(-1);
    return t.expand(with(rows, columns)).contiguous().view({count(), rows, columns});
  }
};

template <class Real>
xpu::DistanceArgs<Real> distance_args(const RowPairs& rows, double p, const Tensor& result) {
  xpu::DistanceArgs<Real> args{};
  args.x1 = static_cast<const Real*>(in(rows.x1));
  args.x2 = static_cast<const Real*>(in(rows.x2));
  args.out = static_cast<Real*>(out(result));
  args.batch = rows.count();
  args.rows1 = rows.x1.size(1), args.rows2 = rows.x2.size(1), args.columns = rows.x1.size(2);
  args.p = static_cast<Real>(p);
  return args;
}

template <class Body>
void by_real(const char* dispatch, at::ScalarType type, const Body& body) {
  TORCH_CHECK_NOT_IMPLEMENTED(type == at::kFloat || type == at::kDouble, '"', dispatch,
                              "\" not implemented for '", type, "'");
  type == at::kDouble ? body(double{}) : body(float{});
}

void distance_into(const char* op, const RowPairs& rows, double p, const Tensor& result) {
  by_real("cdist", result.scalar_type(), [&](auto zero) {
    const auto args = distance_args<decltype(zero)>(rows, p, result);
    run(op, result, [&](Stream& stream) { xpu::distances(stream, args); });
  });
}

Tensor distance_gradient(const char* op, const char* dispatch, const RowPairs& rows, double p,
                         const Tensor& grad_arg, const Tensor& distance_arg) {
  const Tensor grad = grad_arg.contiguous(), distance = distance_arg.contiguous();
  const Tensor result = at::empty_like(rows.x1);
  by_real(dispatch, result.scalar_type(), [&](auto zero) {
    using Real = decltype(zero);
    auto args = distance_args<Real>(rows, p, result);
    args.grad = static_cast<const Real*>(in(grad));
    args.distance = static_cast<const Real*>(in(distance));
    run(op, result, [&](Stream& stream) { xpu::distances_backward(stream, args); });
  });
  return result;
}

// The places of the pairs i < j in a matrix of n x n.
Tensor places_of_pairs(int64_t n, const Tensor& any) {
  const Tensor pairs = at::triu_indices(n, n, 1, any.options().dtype(at::kLong));
  return pairs.select(0, 0).mul(n).add_(pairs.select(0, 1));
}

} // namespace

Tensor cdist_forward(const Tensor& x1, const Tensor& x2, double p,
                     std::optional<int64_t> compute_mode) {
  TORCH_CHECK(x1.dim() >= 2, "cdist only supports at least 2D tensors, X1 got: ", x1.dim(), "D");
  TORCH_CHECK(x2.dim() >= 2, "cdist only supports at least 2D tensors, X2 got: ", x2.dim(), "D");
  TORCH_CHECK(x1.size(-1) == x2.size(-1),
              "X1 and X2 must have the same number of columns. X1: ", x1.size(-1),
              " X2: ", x2.size(-1));
  TORCH_CHECK(at::isFloatingType(x1.scalar_type()),
              "cdist only supports floating-point dtypes, X1 got: ", x1.scalar_type());
  TORCH_CHECK(x1.scalar_type() == x2.scalar_type(), "expected scalar type ", x1.scalar_type(),
              " but found ", x2.scalar_type());
  TORCH_CHECK(p >= 0, "cdist only supports non-negative p values");
  const int64_t mode = compute_mode.value_or(0);
  TORCH_CHECK(mode >= 0 && mode <= 2, "possible modes: 0, 1, 2, but was: ", mode);
  const RowPairs rows(x1, x2);
  const int64_t r1 = x1.size(-2), r2 = x2.size(-2);
  const at::DimVector sizes = rows.with(r1, r2);
  if (r1 == 0 || r2 == 0 || rows.count() == 0) return at::empty(sizes, x1.options());
  if (x1.size(-1) == 0) return at::zeros(sizes, x1.options());
  if (p == 2 && (mode == 1 || (mode == 0 && (r1 > 25 || r2 > 25)))) { // by a product
    return at::_euclidean_dist(rows.x1, rows.x2).view(sizes);
  }
  const Tensor result = at::empty(sizes, x1.options());
  distance_into("cdist", rows, p, result);
  return result;
}

Tensor cdist_backward(const Tensor& grad, const Tensor& x1, const Tensor& x2, double p,
                      const Tensor& cdist) {
  const RowPairs rows(x1, x2);
  const int64_t r1 = x1.size(-2), columns = x1.size(-1);
  if (r1 == 0 || x2.size(-2) == 0 || columns == 0 || rows.count() == 0) {
    return at::zeros_like(x1);
  }
  return distance_gradient("_cdist_backward", "cdist_backward", rows, p, grad, cdist)
      .view(rows.with(r1, columns));
}

Tensor pdist_forward(const Tensor& self, double p) {
  TORCH_CHECK(self.is_contiguous(), "_pdist_forward requires contiguous input");
  const int64_t n = self.size(0);
  if (n <= 1) return at::empty({0}, self.options());
  const int64_t pairs = n * (n - 1) / 2;
  if (self.size(1) == 0) return at::zeros({pairs}, self.options());
  const Tensor each = at::empty({n, n}, self.options());
  distance_into("_pdist_forward", RowPairs(self, self), p, each);
  return each.view({-1}).index_select(0, places_of_pairs(n, self));
}

Tensor pdist_backward(const Tensor& grad, const Tensor& self, double p, const Tensor& pdist) {
  TORCH_CHECK(self.is_contiguous(), "_pdist_backward requires self to be contiguous");
  TORCH_CHECK(pdist.is_contiguous(), "_pdist_backward requires pdist to be contiguous");
  const int64_t n = self.size(0);
  if (self.numel() == 0 || n <= 1) return at::zeros_like(self);
  const Tensor places = places_of_pairs(n, self);
  // A pair is a distance from either row.
  auto both_ways = [&](const Tensor& of_pairs) {
    Tensor each = at::zeros({n, n}, self.options());
    each.view({-1}).index_copy_(0, places, of_pairs.reshape({-1}));
    return each.add(each.t());
  };
  return distance_gradient("_pdist_backward", "pdist_backward", RowPairs(self, self), p,
                           both_ways(grad), both_ways(pdist))
      .view_as(self);
}

} // namespace xpu_lite::aten::sycl
