// Weight norm, v * g / |v|, from reductions and elementwise operators.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

#include "backend/aten/sycl/layer_norm.h"

namespace xpu_lite::aten::sycl {

namespace {

std::vector<int64_t> all_but(int64_t dim, int64_t dims) {
  std::vector<int64_t> rest;
  for (int64_t d = 0; d < dims; ++d) {
    if (d != dim) rest.push_back(d);
  }
  return rest;
}

} // namespace

std::tuple<Tensor, Tensor> weight_norm(const Tensor& v, const Tensor& g, int64_t dim) {
  const auto type = g.scalar_type() == at::kBFloat16 ? at::kFloat : g.scalar_type();
  const Tensor norms =
      at::linalg_vector_norm(v, 2, all_but(dim, v.dim()), /*keepdim=*/true, type);
  const Tensor scale = g.to(type) / norms;
  return {(v * scale).to(v.scalar_type()), norms.reshape(g.sizes())};
}

std::tuple<Tensor, Tensor> weight_norm_backward(const Tensor& grad, const Tensor& v,
                                                const Tensor& g, const Tensor& norms,
                                                int64_t dim) {
  const auto type = norms.scalar_type();
  const Tensor along =
      (grad.to(type) * v.to(type)).sum(all_but(dim, v.dim()), /*keepdim=*/true) / norms;
  const Tensor wide_g = g.to(type);
  const Tensor grad_v = (grad.to(type) - v.to(type) * (along / norms)) * (wide_g / norms);
  return {grad_v.to(v.scalar_type()), along.to(g.scalar_type()).reshape(g.sizes())};
}

} // namespace xpu_lite::aten::sycl
