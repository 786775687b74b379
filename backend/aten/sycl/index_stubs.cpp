// The dispatch stubs through which torch's own index operators reach our kernels:
// index, index_put_, index_fill_, index_copy_, take, put_, flip.

#include <ATen/Context.h>
#include <ATen/native/IndexKernel.h>
#include <ATen/native/TensorIterator.h>
#include <ATen/ops/empty.h>

#include "backend/aten/sycl/index_walk.h"
#include "backend/xpu/device_pointer.h"

namespace xpu_lite::aten::sycl {
namespace {

at::Tensor tensor_of(const at::TensorIteratorBase& iter, int operand) {
  return at::Tensor(iter.tensor_base(operand));
}

size_t element_of(const at::TensorIteratorBase& iter, int operand) {
  return iter.element_size(operand);
}

void put_checked(const at::Tensor& any, size_t element, const IndexArgs& walk) {
  if (at::globalContext().deterministicAlgorithms() && walk.src)
    put_last_indexed(any, element, walk);
  else
    put_indexed(any, element, walk);
  check_indexed(any);
}

void index_kernel(at::TensorIteratorBase& iter, at::IntArrayRef sizes,
                  at::IntArrayRef strides) {
  if (iter.numel() == 0) return;
  std::vector<at::Tensor> keep;
  IndexArgs walk = walk_of("index", iter, 0, 1);
  set_indices(walk, iter, 2, sizes, strides, keep);
  walk.wrap = 1;
  const at::Tensor any = tensor_of(iter, 0);
  get_indexed(any, element_of(iter, 0), walk);
  check_indexed(any);
}

void index_put_kernel(at::TensorIterator& iter, at::IntArrayRef sizes, at::IntArrayRef strides,
                      bool accumulate) {
  if (iter.numel() == 0) return;
  std::vector<at::Tensor> keep;
  IndexArgs walk = walk_of("index_put_", iter, 0, 1);
  set_indices(walk, iter, 2, sizes, strides, keep);
  walk.wrap = 1;
  const at::Tensor any = tensor_of(iter, 0);
  if (!accumulate) {
    put_checked(any, element_of(iter, 0), walk);
    return;
  }
  apply_indexed(any, iter.dtype(0), Combine::Add, walk);
  check_indexed(any);
}

// Operand `index` counts along one dimension of operand 0, where that is not stepped.
void set_one_index(IndexArgs& walk, const at::TensorIterator& iter, int index, int64_t dim,
                   int64_t size, int64_t stride) {
  std::vector<at::Tensor> unused;
  set_indices(walk, iter, index, {size},
              {stride * static_cast<int64_t>(iter.element_size(0))}, unused);
  walk.narrow = iter.dtype(index) == at::kInt;
  walk.error_dim = static_cast<int32_t>(dim);
}

void index_fill_kernel(at::TensorIterator& iter, int64_t dim, int64_t size, int64_t stride,
                       const at::Scalar& value) {
  if (iter.numel() == 0) return;
  IndexArgs walk = walk_of("index_fill_", iter, 0, -1);
  set_one_index(walk, iter, 1, dim, size, stride);
  walk.wrap = 1;
  set_fill(walk, value, iter.dtype(0));
  put_checked(tensor_of(iter, 0), element_of(iter, 0), walk);
}

void index_copy_kernel(at::TensorIterator& iter, int64_t dim, int64_t size, int64_t stride) {
  if (iter.numel() == 0) return;
  IndexArgs walk = walk_of("index_copy_", iter, 0, 2);
  set_one_index(walk, iter, 1, dim, size, stride);
  put_checked(tensor_of(iter, 0), element_of(iter, 0), walk);
}

void take_kernel(at::TensorIterator& iter, const at::TensorBase& input) {
  if (iter.numel() == 0) return;
  const at::Tensor from = at::Tensor(input).contiguous();
  std::vector<at::Tensor> unused;
  IndexArgs walk = walk_of("take", iter, 0, -1);
  const auto element = static_cast<int64_t>(from.element_size());
  set_indices(walk, iter, 1, {from.numel()}, {element}, unused);
  walk.src = static_cast<const char*>(xpu::device_pointer(from.const_data_ptr()));
  walk.wrap = 1;
  get_indexed(from, static_cast<size_t>(element), walk);
  check_indexed(from);
}

void put_kernel(at::TensorIterator& iter, const at::TensorBase& self, const bool accumulate) {
  if (iter.numel() == 0) return;
  const at::Tensor given(self);
  const at::Tensor to = given.contiguous();
  std::vector<at::Tensor> unused;
  const auto element = static_cast<int64_t>(to.element_size());
  IndexArgs walk = walk_of("put_", iter, 0, 0); // operand 0 is the source
  set_indices(walk, iter, 1, {to.numel()}, {element}, unused);
  walk.dst = static_cast<char*>(xpu::device_pointer(to.mutable_data_ptr()));
  for (int64_t& stride : walk.dst_strides) stride = 0;
  walk.wrap = 1;
  if (accumulate) {
    apply_indexed(to, to.scalar_type(), Combine::Add, walk);
    check_indexed(to);
  } else {
    put_checked(to, static_cast<size_t>(element), walk);
  }
  if (!to.is_same(given)) given.copy_(to);
}

void flip_kernel(at::TensorIterator& iter, const bool /*quantized*/) {
  if (iter.numel() == 0) return;
  get_indexed(tensor_of(iter, 0), element_of(iter, 0), walk_of("flip", iter, 0, 1));
}

} // namespace
} // namespace xpu_lite::aten::sycl

namespace at::native {
using namespace xpu_lite::aten::sycl;
REGISTER_PRIVATEUSE1_DISPATCH(index_stub, &index_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(index_put_stub, &index_put_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(index_fill_stub, &index_fill_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(index_copy_stub, &index_copy_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(take_stub, &take_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(put_stub, &put_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(flip_stub, &flip_kernel)
} // namespace at::native
