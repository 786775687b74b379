// gather and the scatters, along one dimension.

#include <ATen/Context.h>
#include <ATen/native/TensorAdvancedIndexing.h>
#include <ATen/ops/scalar_tensor.h>

#include "backend/aten/sycl/index_walk.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::Tensor;
using at::native::ReductionType;

// A walk over the index; gather and scatter do not count from the back, and their
// error is no IndexError on the CPU.
IndexArgs walk_along(const char* op, const Tensor& index, const Tensor& of, int64_t dim) {
  IndexArgs walk = walk_over(op, index.sizes());
  set_index(walk, index, of, dim);
  walk.fault = xpu::KernelFault::IndexRuntime;
  return walk;
}

void gather_kernel(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index) {
  if (index.numel() == 0) return;
  IndexArgs walk = walk_along("gather", index, self, dim);
  set_dst(walk, result);
  set_src(walk, self, dim);
  get_indexed(result, self.element_size(), walk);
  check_indexed(result);
}

void scatter(const char* op, const Tensor& self, int64_t dim, const Tensor& index,
             const Tensor& src) {
  if (index.numel() == 0) return;
  IndexArgs walk = walk_along(op, index, self, dim);
  set_dst(walk, self, dim);
  set_src(walk, src);
  if (at::globalContext().deterministicAlgorithms())
    put_last_indexed(self, self.element_size(), walk);
  else
    put_indexed(self, self.element_size(), walk);
  check_indexed(self);
}

void scatter_kernel(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  scatter("scatter", self, dim, index, src);
}

void scatter_fill_kernel(const Tensor& self, int64_t dim, const Tensor& index,
                         const at::Scalar& value) {
  if (index.numel() == 0) return;
  IndexArgs walk = walk_along("scatter", index, self, dim);
  set_dst(walk, self, dim);
  set_fill(walk, value, self.scalar_type());
  put_indexed(self, self.element_size(), walk);
  check_indexed(self);
}

void combine(const char* op, const Tensor& self, int64_t dim, const Tensor& index,
             const Tensor& src, Combine how) {
  if (index.numel() == 0) return;
  IndexArgs walk = walk_along(op, index, self, dim);
  set_dst(walk, self, dim);
  set_src(walk, src);
  apply_indexed(self, self.scalar_type(), how, walk);
  check_indexed(self);
}

Combine combine_of(ReductionType reduce) {
  switch (reduce) {
    case ReductionType::MAX: return Combine::Max;
    case ReductionType::MIN: return Combine::Min;
    case ReductionType::PROD: return Combine::Multiply;
    case ReductionType::SUM:
    case ReductionType::MEAN: return Combine::Add; // the caller divides
  }
  return Combine::Add;
}

void scatter_add_kernel(const Tensor& self, int64_t dim, const Tensor& index,
                        const Tensor& src) {
  combine("scatter_add", self, dim, index, src, Combine::Add);
}

void scatter_reduce_kernel(const Tensor& self, const int64_t dim, const Tensor& index,
                           const Tensor& src, const ReductionType& reduce) {
  combine("scatter_reduce", self, dim, index, src, combine_of(reduce));
}

void scatter_scalar_reduce_kernel(const Tensor& self, const int64_t dim, const Tensor& index,
                                  const at::Scalar& value, const ReductionType& reduce) {
  const Tensor src = at::scalar_tensor(value, self.options());
  combine("scatter", self, dim, index, src.expand(index.sizes()), combine_of(reduce));
}

} // namespace
} // namespace xpu_lite::aten::sycl

namespace at::native {
using namespace xpu_lite::aten::sycl;
REGISTER_PRIVATEUSE1_DISPATCH(gather_stub, &gather_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(scatter_stub, &scatter_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(scatter_fill_stub, &scatter_fill_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(scatter_add_stub, &scatter_add_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(scatter_reduce_stub, &scatter_reduce_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(scatter_scalar_reduce_stub, &scatter_scalar_reduce_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(scatter_reduce_two_stub, &scatter_reduce_kernel)
} // namespace at::native
