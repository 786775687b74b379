#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat_meta.h>

namespace xpu_lite::aten::sycl {

struct structured_cat : at::meta::structured_cat {
  void impl(const at::ITensorListRef& tensors, int64_t dim, int64_t valid, bool all_contiguous,
            bool all_same_dtype, bool all_same_sizes_and_stride, at::MemoryFormat memory_format,
            const at::Tensor& out);
};

// Each shift joins the two parts of a dimension.
at::Tensor roll(const at::Tensor& self, at::IntArrayRef shifts, at::IntArrayRef dims);

} // namespace xpu_lite::aten::sycl
