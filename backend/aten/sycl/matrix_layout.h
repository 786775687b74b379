#pragma once

// Which layouts of matrices oneDNN takes as they are, and how it is told of them.

#include <ATen/core/Tensor.h>

#include "backend/xpu/ops/onednn.h"

namespace xpu_lite::aten::sycl {

// Rows or columns are dense: no copy is needed.
bool is_plain(const at::Tensor& matrix);
// The matrix itself, or a contiguous copy.
at::Tensor plain(const at::Tensor& matrix);
// Rows are dense: what oneDNN writes best.
bool has_dense_rows(const at::Tensor& matrix);

// Sizes and strides of a plain matrix or batch; a batch stride of 0 becomes a size of
// 1, which broadcasts. The pointer is left as it is: mutable_data says whether the
// tensor counts as written.
xpu::onednn::View view_of(const at::Tensor& matrix, xpu::DType type, bool written);

} // namespace xpu_lite::aten::sycl
