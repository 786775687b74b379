// Indexing, sorting and joining that are no structured operators (those are in
// operators/indexing.yaml).

#include <ATen/ops/_index_put_impl_native.h>
#include <ATen/ops/flip_native.h>
#include <ATen/ops/flip_ops.h>
#include <ATen/ops/nonzero_ops.h>
#include <ATen/ops/index_fill_native.h>
#include <ATen/ops/put_native.h>
#include <ATen/ops/take_native.h>
#include <torch/library.h>

#include "backend/aten/sycl/cat.h"
#include "backend/aten/sycl/indexing.h"
#include "backend/aten/sycl/nonzero.h"
#include "backend/aten/sycl/rare.h"
#include "backend/aten/sycl/same_device.h"
#include "backend/aten/sycl/sort.h"
#include "backend/aten/sycl/triangle.h"

namespace xpu_lite::aten::sycl {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("_index_put_impl_", TORCH_FN(at::native::_index_put_impl_));
  m.impl("index_fill_.int_Scalar",
         static_cast<at::Tensor& (*)(at::Tensor&, int64_t, const at::Tensor&, const at::Scalar&)>(
             at::native::index_fill_));
  m.impl("index_fill_.int_Tensor",
         static_cast<at::Tensor& (*)(at::Tensor&, int64_t, const at::Tensor&, const at::Tensor&)>(
             at::native::index_fill_));
  m.impl("put_", XPU_SYCL_FN(at::native::put_));
  m.impl("take", XPU_SYCL_FN(at::native::take));
  m.impl("take.out", XPU_SYCL_FN(at::native::take_out));
  m.impl("flip", XPU_SYCL_NOT_RARE(flip, at::native::flip));
  m.impl("mode", TORCH_FN(mode));
  m.impl("mode.values", TORCH_FN(mode_out));

  m.impl("index_select", XPU_SYCL_FN(index_select));
  m.impl("index_select.out", XPU_SYCL_FN(index_select_out));
  m.impl("embedding", XPU_SYCL_FN(embedding));
  m.impl("embedding_dense_backward", XPU_SYCL_FN(embedding_dense_backward));
  m.impl("embedding_renorm_", XPU_SYCL_FN(embedding_renorm_));
  m.impl("masked_fill_.Scalar", TORCH_FN(masked_fill_scalar_));
  m.impl("masked_fill_.Tensor", TORCH_FN(masked_fill_tensor_));
  m.impl("masked_scatter_", XPU_SYCL_FN(masked_scatter_));
  m.impl("masked_select", XPU_SYCL_FN(masked_select));
  m.impl("masked_select.out", XPU_SYCL_FN(masked_select_out));
  m.impl("nonzero", XPU_SYCL_NOT_RARE(nonzero, sycl::nonzero));
  m.impl("nonzero.out", XPU_SYCL_NOT_RARE(nonzero_out, sycl::nonzero_out));
  m.impl("nonzero_static", TORCH_FN(nonzero_static));
  m.impl("nonzero_static.out", TORCH_FN(nonzero_static_out));
  m.impl("kthvalue.values", TORCH_FN(kthvalue_out));
  m.impl("median", TORCH_FN(median));
  m.impl("median.dim_values", TORCH_FN(median_out));
  m.impl("nanmedian", TORCH_FN(nanmedian));
  m.impl("nanmedian.dim_values", TORCH_FN(nanmedian_out));
  m.impl("roll", TORCH_FN(roll));
  m.impl("tril_indices", TORCH_FN(tril_indices));
  m.impl("triu_indices", TORCH_FN(triu_indices));
  m.impl("trace", TORCH_FN(trace));
}

} // namespace xpu_lite::aten::sycl
