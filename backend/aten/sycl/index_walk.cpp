#include "backend/aten/sycl/index_walk.h"

#include <cstring>

#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>

#include "backend/aten/core/errors.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/sorted_apply.h"

namespace xpu_lite::aten::sycl {
namespace {

const char* address(const at::TensorBase& t) {
  return static_cast<const char*>(xpu::device_pointer(t.const_data_ptr()));
}

void set_strides(const IndexArgs& walk, int64_t (&strides)[xpu::kMaxWalkDims],
                 const at::Tensor& t, int64_t still) {
  const auto element = static_cast<int64_t>(t.element_size());
  for (int d = 0; d < walk.dims; ++d) {
    const int64_t dim = walk.dims - 1 - d;
    strides[d] = t.dim() == 0 || dim == still ? 0 : t.stride(dim) * element;
  }
}

void check_dims(const char* op, int64_t dims) {
  TORCH_CHECK(dims <= xpu::kMaxWalkDims, "[", op, "] tensors of more than ", xpu::kMaxWalkDims,
              " dimensions that cannot be merged are not supported by the SYCL engine (got ",
              dims, ")");
}

xpu::DType unit_type(size_t element) {
  switch (element) {
    case 1: return xpu::DType::U8;
    case 2: return xpu::DType::I16;
    case 4: return xpu::DType::I32;
    case 8: return xpu::DType::I64;
    default: return xpu::DType::C128;
  }
}

void apply_as(const at::Tensor& any, xpu::DType type, Combine combine, const IndexArgs& walk) {
  if (xpu::suits_columns(any.device().index(), type, walk)) {
    run(walk.op, any,
        [&](Stream& stream) { xpu::combine_columns(stream, type, combine, walk); });
    return;
  }
  translate([&] {
    const xpu::ApplyPlan plan = xpu::plan_apply(walk);
    at::Tensor memory =
        at::empty({static_cast<int64_t>(plan.bytes())}, any.options().dtype(at::kByte));
    run(walk.op, any, [&](Stream& stream) {
      xpu::apply_sorted(stream, type, combine, plan, out(memory));
    });
  });
}

} // namespace

IndexArgs walk_over(const char* op, at::IntArrayRef sizes) {
  check_dims(op, static_cast<int64_t>(sizes.size()));
  IndexArgs walk{};
  walk.op = op;
  walk.fault = xpu::KernelFault::Index;
  walk.dims = static_cast<int32_t>(sizes.size());
  for (int d = 0; d < walk.dims; ++d) walk.sizes[d] = sizes[walk.dims - 1 - d];
  return walk;
}

void set_dst(IndexArgs& walk, const at::Tensor& t, int64_t still) {
  walk.dst = static_cast<char*>(out(t));
  set_strides(walk, walk.dst_strides, t, still);
}

void set_src(IndexArgs& walk, const at::Tensor& t, int64_t still) {
  walk.src = static_cast<const char*>(in(t));
  set_strides(walk, walk.src_strides, t, still);
}

void set_index(IndexArgs& walk, const at::Tensor& index, const at::Tensor& of, int64_t dim) {
  walk.narrow = index.scalar_type() == at::kInt;
  const auto element = static_cast<int64_t>(index.element_size());
  const bool along = index.dim() <= 1 && walk.dims > 1;
  for (int d = 0; d < walk.dims; ++d) {
    const int64_t at = walk.dims - 1 - d;
    if (index.dim() == 0) walk.index_strides[d] = 0;
    else if (along) walk.index_strides[d] = at == dim ? index.stride(0) * element : 0;
    else walk.index_strides[d] = index.stride(at) * element;
  }
  walk.index[0] = {static_cast<const char*>(in(index)), of.dim() ? of.size(dim) : 1,
                   of.dim() ? of.stride(dim) * static_cast<int64_t>(of.element_size()) : 0};
  walk.indices = 1;
  walk.error_dim = static_cast<int32_t>(dim);
}

void set_fill(IndexArgs& walk, const at::Scalar& value, at::ScalarType type) {
  const at::Tensor element = at::scalar_tensor(value, at::device(at::kCPU).dtype(type));
  std::memcpy(walk.fill, element.const_data_ptr(), element.element_size());
}

IndexArgs walk_of(const char* op, const at::TensorIteratorBase& iter, int dst, int src) {
  check_dims(op, iter.ndim());
  IndexArgs walk{};
  walk.op = op;
  walk.fault = xpu::KernelFault::Index;
  walk.dims = static_cast<int32_t>(iter.ndim());
  for (int d = 0; d < walk.dims; ++d) {
    walk.sizes[d] = iter.shape()[d];
    walk.dst_strides[d] = iter.strides(dst)[d];
    if (src >= 0) walk.src_strides[d] = iter.strides(src)[d];
  }
  walk.dst = static_cast<char*>(xpu::device_pointer(iter.data_ptr(dst)));
  if (src >= 0) walk.src = static_cast<const char*>(xpu::device_pointer(iter.data_ptr(src)));
  return walk;
}

void set_indices(IndexArgs& walk, const at::TensorIteratorBase& iter, int first,
                 at::IntArrayRef sizes, at::IntArrayRef strides,
                 std::vector<at::Tensor>& keep) {
  const int count = static_cast<int>(sizes.size());
  TORCH_CHECK(count <= xpu::kMaxIndices, "[", walk.op, "] more than ", xpu::kMaxIndices,
              " index tensors are not supported by the SYCL engine (got ", count, ")");
  walk.indices = count;
  bool alike = true;
  for (int k = 0; k < count; ++k) {
    walk.index[k] = {static_cast<const char*>(xpu::device_pointer(iter.data_ptr(first + k))),
                     sizes[k], strides[k]};
    alike = alike && iter.strides(first + k).equals(iter.strides(first));
  }
  if (alike) {
    for (int d = 0; d < walk.dims && count; ++d)
      walk.index_strides[d] = iter.strides(first)[d];
    return;
  }
  // The kernels know one layout for all indices: dense over what any of them varies along.
  int64_t numel = 1;
  IndexArgs copy = walk_over(walk.op, {});
  copy.dims = walk.dims;
  for (int d = 0; d < walk.dims; ++d) {
    bool varies = false;
    for (int k = 0; k < count; ++k) varies = varies || iter.strides(first + k)[d] != 0;
    copy.sizes[d] = varies ? walk.sizes[d] : 1;
    copy.dst_strides[d] = walk.index_strides[d] = varies ? numel * 8 : 0;
    if (varies) numel *= walk.sizes[d];
  }
  for (int k = 0; k < count; ++k) {
    const at::TensorBase& base = iter.tensor_base(first + k);
    at::Tensor dense = at::empty({numel}, base.options());
    for (int d = 0; d < walk.dims; ++d) copy.src_strides[d] = iter.strides(first + k)[d];
    copy.src = walk.index[k].data;
    copy.dst = static_cast<char*>(out(dense));
    run(walk.op, dense, [&](Stream& stream) { xpu::index_get(stream, 8, copy); });
    walk.index[k].data = address(dense);
    keep.push_back(std::move(dense));
  }
}

void check_indexed(const at::Tensor& any) {
  if (xpu::limits(any.device().index()).is_cpu)
    translate([&] { stream_of(any).synchronize(); });
}

void get_indexed(const at::Tensor& any, size_t element, const IndexArgs& walk) {
  translate([&] {
    run(walk.op, any, [&](Stream& stream) { xpu::index_get(stream, element, walk); });
  });
}

void put_indexed(const at::Tensor& any, size_t element, const IndexArgs& walk) {
  translate([&] {
    run(walk.op, any, [&](Stream& stream) { xpu::index_put(stream, element, walk); });
  });
}

void fill_masked(const at::Tensor& any, size_t element, const IndexArgs& walk) {
  translate([&] {
    run(walk.op, any, [&](Stream& stream) { xpu::masked_fill(stream, element, walk); });
  });
}

void apply_indexed(const at::Tensor& any, at::ScalarType type, Combine combine,
                   const IndexArgs& walk) {
  apply_as(any, dtype_of(walk.op, type), combine, walk);
}

void put_last_indexed(const at::Tensor& any, size_t element, const IndexArgs& walk) {
  apply_as(any, unit_type(element), Combine::Assign, walk);
}

} // namespace xpu_lite::aten::sycl
