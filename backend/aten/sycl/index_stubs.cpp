// The dispatch stubs through which torch's own index operators reach our kernels:
// index, index_put_, index_fill_, index_copy_, take, put_, flip.

#include <ATen/Context.h>
#include <ATen/ExpandUtils.h>
#include <ATen/native/IndexKernel.h>
#include <ATen/native/IndexingUtils.h>
#include <ATen/native/TensorAdvancedIndexing.h>
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

// torch takes this stub on devices outside of it when the result must not depend on the
// order of equal indices. Its own preparation of indices is not exported, hence here.
void index_put_with_sort_kernel(at::Tensor& self,
                                const c10::List<std::optional<at::Tensor>>& given,
                                const at::Tensor& value, bool accumulate, bool /*unsafe*/) {
  at::native::checkIndexTensorTypes(given, /*allow_int=*/true);
  std::vector<at::Tensor> indices =
      at::native::expandTensors(self, given, /*ensure_same_device=*/true);
  try {
    indices = at::expand_outplace(indices);
  } catch (const std::exception&) {
    TORCH_CHECK_INDEX(false, "shape mismatch: indexing tensors could not be broadcast together");
  }
  indices.resize(static_cast<size_t>(self.dim()));
  at::Tensor to = self;
  if (!at::native::hasContiguousSubspace(indices))
    std::tie(to, indices) = at::native::transposeToFront(to, indices);
  int64_t first = 0, last = to.dim();
  while (first < last && !indices[first].defined()) ++first;
  while (last > first && !indices[last - 1].defined()) --last;
  if (first == last) {
    accumulate ? self.add_(value) : self.copy_(value);
    return;
  }
  const auto long_index = [](const at::Tensor& i) { return i.to(at::kLong).contiguous(); };
  std::vector<at::Tensor> dense;
  for (int64_t d = first; d < last; ++d) dense.push_back(long_index(indices[d]));
  // Indexed dimensions become those of the indices.
  const at::IntArrayRef shape = dense[0].sizes();
  at::DimVector sizes(to.sizes().slice(0, first)), strides(to.strides().slice(0, first));
  sizes.append(shape.begin(), shape.end());
  strides.append(shape.size(), 0);
  sizes.append(to.sizes().begin() + last, to.sizes().end());
  strides.append(to.strides().begin() + last, to.strides().end());
  TORCH_CHECK(at::is_expandable_to(value.sizes(), sizes), "shape mismatch: value tensor of shape ",
              value.sizes(), " cannot be broadcast to indexing result of shape ",
              at::IntArrayRef(sizes));
  TORCH_CHECK(value.scalar_type() == to.scalar_type(),
              "Index put requires the source and destination dtypes match, got ",
              to.scalar_type(), " for the destination and ", value.scalar_type(),
              " for the source.");
  TORCH_CHECK(last - first <= xpu::kMaxIndices, "[index_put_] more than ", xpu::kMaxIndices,
              " index tensors are not supported by the SYCL engine (got ", last - first, ")");
  const at::Tensor from = value.expand(sizes);
  if (from.numel() == 0) return;
  IndexArgs walk = walk_over("index_put_", sizes);
  set_src(walk, from);
  const auto element = static_cast<int64_t>(to.element_size());
  const auto after = static_cast<int64_t>(to.dim() - last);
  walk.dst = static_cast<char*>(xpu::device_pointer(self.mutable_data_ptr()));
  for (int d = 0; d < walk.dims; ++d)
    walk.dst_strides[d] = strides[walk.dims - 1 - d] * element;
  for (size_t d = 0; d < shape.size(); ++d)
    walk.index_strides[after + static_cast<int64_t>(shape.size() - 1 - d)] =
        dense[0].stride(static_cast<int64_t>(d)) * 8;
  walk.indices = static_cast<int32_t>(last - first);
  for (int64_t k = 0; k < last - first; ++k)
    walk.index[k] = {static_cast<const char*>(xpu::device_pointer(dense[k].const_data_ptr())),
                     to.size(first + k), to.stride(first + k) * element};
  walk.wrap = 1;
  walk.error_dim = static_cast<int32_t>(first);
  if (accumulate) apply_indexed(self, self.scalar_type(), Combine::Add, walk);
  else put_last_indexed(self, self.element_size(), walk);
  check_indexed(self);
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
REGISTER_PRIVATEUSE1_DISPATCH(index_put_with_sort_stub, &index_put_with_sort_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(index_fill_stub, &index_fill_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(index_copy_stub, &index_copy_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(take_stub, &take_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(put_stub, &put_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(flip_stub, &flip_kernel)
} // namespace at::native
