#pragma once

// From tensors to the walks of the indexing kernels (xpu/kernels/index_args.h), and
// running them. Index errors are those of Note [Errors of kernels]; on a CPU device the
// operator waits for its kernel, so that the error is raised by the call, as on "cpu".

#include <ATen/core/Tensor.h>
#include <ATen/TensorIterator.h>

#include "backend/xpu/kernels/sorted_apply_args.h"
#include "backend/xpu/ops/index.h"

namespace xpu_lite::aten::sycl {

using xpu::Combine;
using xpu::IndexArgs;

// A walk over `sizes` (outermost first). `op` must be a string literal.
IndexArgs walk_over(const char* op, at::IntArrayRef sizes);
// The operands of a walk: their sizes are those of the walk, but along `still` (if not
// -1), where they are not stepped through: the index says where to go.
void set_dst(IndexArgs& walk, const at::Tensor& t, int64_t still = -1);
void set_src(IndexArgs& walk, const at::Tensor& t, int64_t still = -1);
// One index that counts along `dim` of `of`. An index with fewer dimensions than the
// walk lies along `dim`. `index` must live until the kernel is submitted.
void set_index(IndexArgs& walk, const at::Tensor& index, const at::Tensor& of, int64_t dim);
// A scalar as the bits of an element of `type`.
void set_fill(IndexArgs& walk, const at::Scalar& value, at::ScalarType type);

// The walk of a TensorIterator whose operand `dst` is written; src -1: none. Operands
// from `first_index` on are indices, with the sizes and steps (bytes) of what they count.
IndexArgs walk_of(const char* op, const at::TensorIteratorBase& iter, int dst, int src);
void set_indices(IndexArgs& walk, const at::TensorIteratorBase& iter, int first_index,
                 at::IntArrayRef sizes, at::IntArrayRef strides,
                 std::vector<at::Tensor>& keep);

// Run it on the stream of `any`.
void get_indexed(const at::Tensor& any, size_t element, const IndexArgs& walk);
void put_indexed(const at::Tensor& any, size_t element, const IndexArgs& walk);
void fill_masked(const at::Tensor& any, size_t element, const IndexArgs& walk);
// dst[...] = combine(dst[...], src), the same way at each run.
void apply_indexed(const at::Tensor& any, at::ScalarType type, Combine combine,
                   const IndexArgs& walk);
// put_indexed in which the last of several values for a place stays.
void put_last_indexed(const at::Tensor& any, size_t element, const IndexArgs& walk);

// Waits for the kernel on a CPU device; throws what it found.
void check_indexed(const at::Tensor& any);

} // namespace xpu_lite::aten::sycl
