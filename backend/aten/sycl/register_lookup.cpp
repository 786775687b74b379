// Padding, searching, counting, windows and embedding_bag that are no structured
// operators.

#include <ATen/ops/_embedding_bag_backward_native.h>
#include <ATen/ops/native_channel_shuffle_native.h>
#include <torch/library.h>

#include "backend/aten/sycl/counting.h"
#include "backend/aten/sycl/embedding_bag.h"
#include "backend/aten/sycl/pad.h"
#include "backend/aten/sycl/same_device.h"
#include "backend/aten/sycl/search.h"
#include "backend/aten/sycl/window.h"

namespace xpu_lite::aten::sycl {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("reflection_pad2d", XPU_SYCL_FN(reflection_pad2d));
  m.impl("reflection_pad2d.out", XPU_SYCL_FN(reflection_pad2d_out));
  m.impl("reflection_pad2d_backward", XPU_SYCL_FN(reflection_pad2d_backward));
  m.impl("reflection_pad2d_backward.grad_input", XPU_SYCL_FN(reflection_pad2d_backward_out));
  m.impl("replication_pad2d_backward", XPU_SYCL_FN(replication_pad2d_backward));
  m.impl("replication_pad2d_backward.grad_input", XPU_SYCL_FN(replication_pad2d_backward_out));
  m.impl("replication_pad3d_backward", XPU_SYCL_FN(replication_pad3d_backward));
  m.impl("replication_pad3d_backward.grad_input", XPU_SYCL_FN(replication_pad3d_backward_out));

  m.impl("searchsorted.Tensor", XPU_SYCL_FN(searchsorted));
  m.impl("searchsorted.Tensor_out", XPU_SYCL_FN(searchsorted_out));
  m.impl("searchsorted.Scalar", XPU_SYCL_FN(searchsorted_scalar));
  m.impl("bucketize.Tensor", XPU_SYCL_FN(bucketize));
  m.impl("bucketize.Tensor_out", XPU_SYCL_FN(bucketize_out));
  m.impl("bucketize.Scalar", XPU_SYCL_FN(bucketize_scalar));

  m.impl("bincount", XPU_SYCL_FN(bincount));
  m.impl("histc", XPU_SYCL_FN(histc));
  m.impl("histc.out", XPU_SYCL_FN(histc_out));
  m.impl("repeat_interleave.Tensor", XPU_SYCL_FN(repeat_interleave));
  m.impl("_unique", XPU_SYCL_FN(unique));
  m.impl("_unique2", XPU_SYCL_FN(unique2));
  m.impl("unique_consecutive", XPU_SYCL_FN(unique_consecutive));
  m.impl("count_nonzero.dim_IntList", XPU_SYCL_FN(count_nonzero));
  m.impl("equal", XPU_SYCL_FN(equal));
  m.impl("unfold_backward", XPU_SYCL_FN(unfold_backward));
  m.impl("channel_shuffle", XPU_SYCL_FN(at::native::math_channel_shuffle));

  m.impl("_embedding_bag", XPU_SYCL_FN(embedding_bag));
  m.impl("_embedding_bag_forward_only", XPU_SYCL_FN(embedding_bag));
  m.impl("_embedding_bag_backward", XPU_SYCL_FN(at::native::_embedding_bag_backward_symint));
  m.impl("_embedding_bag_dense_backward", XPU_SYCL_FN(embedding_bag_dense_backward));
  m.impl("_embedding_bag_per_sample_weights_backward", XPU_SYCL_FN(embedding_bag_weights_backward));

  m.impl("im2col", XPU_SYCL_FN(im2col));
  m.impl("im2col.out", XPU_SYCL_FN(im2col_out));
  m.impl("col2im", XPU_SYCL_FN(col2im));
  m.impl("col2im.out", XPU_SYCL_FN(col2im_out));
}

} // namespace xpu_lite::aten::sycl
