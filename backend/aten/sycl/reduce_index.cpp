// Minima and maxima: with places (argmin, min.dim), of everything (min, max), both
// at once (aminmax).

#include <ATen/native/ReduceAllOps.h>
#include <ATen/native/ReduceOps.h>
#include <ATen/native/TensorCompare.h>

#include "backend/aten/sycl/reduce.h"

namespace xpu_lite::aten::sycl {

namespace {

using at::Tensor;

// The iterator's only reduced dimension is found in the tensors it was made of.
void arg(const char* op, at::TensorIterator& iter, bool least) {
  const Tensor& index = iter.output(0); // as a view with self's dimensions
  const Tensor& self = iter.input(0);
  int64_t dim = 0;
  for (int64_t d = 0; d < self.dim(); ++d) {
    if (index.size(d) != self.size(d)) dim = d;
  }
  reduce_dim_with_index(op, self, dim, least, Tensor(), index);
}

void argmin(at::TensorIterator& iter) { arg("argmin", iter, true); }
void argmax(at::TensorIterator& iter) { arg("argmax", iter, false); }

void min_dim(const Tensor& value, const Tensor& index, const Tensor& self, int64_t dim, bool) {
  reduce_dim_with_index("min", self, dim, true, value, index);
}
void max_dim(const Tensor& value, const Tensor& index, const Tensor& self, int64_t dim, bool) {
  reduce_dim_with_index("max", self, dim, false, value, index);
}

void min_all(Tensor& result, const Tensor& self) {
  reduce_all("min", self, result, {"extreme", 1});
}
void max_all(Tensor& result, const Tensor& self) {
  reduce_all("max", self, result, {"extreme", 0});
}

void aminmax_all(const Tensor& self, Tensor& least, Tensor& largest) {
  reduce_all("aminmax", self, least, {"extreme", 1});
  reduce_all("aminmax", self, largest, {"extreme", 0});
}

void aminmax_dim(const Tensor& self, int64_t dim, bool, Tensor& least, Tensor& largest) {
  reduce_dim_with_index("aminmax", self, dim, true, least, Tensor());
  reduce_dim_with_index("aminmax", self, dim, false, largest, Tensor());
}

} // namespace

} // namespace xpu_lite::aten::sycl

namespace at::native {

REGISTER_PRIVATEUSE1_DISPATCH(argmin_stub, &xpu_lite::aten::sycl::argmin)
REGISTER_PRIVATEUSE1_DISPATCH(argmax_stub, &xpu_lite::aten::sycl::argmax)
REGISTER_PRIVATEUSE1_DISPATCH(min_stub, &xpu_lite::aten::sycl::min_dim)
REGISTER_PRIVATEUSE1_DISPATCH(max_stub, &xpu_lite::aten::sycl::max_dim)
REGISTER_PRIVATEUSE1_DISPATCH(min_all_stub, &xpu_lite::aten::sycl::min_all)
REGISTER_PRIVATEUSE1_DISPATCH(max_all_stub, &xpu_lite::aten::sycl::max_all)
REGISTER_PRIVATEUSE1_DISPATCH(aminmax_allreduce_stub, &xpu_lite::aten::sycl::aminmax_all)
REGISTER_PRIVATEUSE1_DISPATCH(aminmax_stub, &xpu_lite::aten::sycl::aminmax_dim)

} // namespace at::native
