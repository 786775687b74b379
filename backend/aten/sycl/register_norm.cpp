#include <torch/library.h>

#include "backend/aten/sycl/batch_norm.h"
#include "backend/aten/sycl/layer_norm.h"
#include "backend/aten/sycl/same_device.h"

namespace xpu_lite::aten::sycl {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("native_layer_norm", XPU_SYCL_FN(layer_norm));
  m.impl("native_layer_norm_backward", XPU_SYCL_FN(layer_norm_backward));
  m.impl("_fused_rms_norm", XPU_SYCL_FN(rms_norm));
  m.impl("_fused_rms_norm_backward", XPU_SYCL_FN(rms_norm_backward));
  m.impl("native_group_norm", XPU_SYCL_FN(group_norm));
  m.impl("native_group_norm_backward", XPU_SYCL_FN(group_norm_backward));
  m.impl("_weight_norm_interface", XPU_SYCL_FN(weight_norm));
  m.impl("_weight_norm_interface_backward", XPU_SYCL_FN(weight_norm_backward));

  m.impl("native_batch_norm", XPU_SYCL_FN(batch_norm));
  m.impl("_native_batch_norm_legit", XPU_SYCL_FN(batch_norm_legit));
  m.impl("_native_batch_norm_legit.no_stats", XPU_SYCL_FN(batch_norm_no_stats));
  m.impl("_batch_norm_with_update", XPU_SYCL_FN(batch_norm_with_update));
  m.impl("native_batch_norm_backward", XPU_SYCL_FN(batch_norm_backward));
  m.impl("batch_norm_backward", XPU_SYCL_FN(batch_norm_backward_new));
  m.impl("batch_norm_update_stats", XPU_SYCL_FN(batch_norm_update_stats));

  m.impl("batch_norm_stats", XPU_SYCL_FN(batch_norm_stats));
  m.impl("batch_norm_elemt", XPU_SYCL_FN(batch_norm_elemt));
  m.impl("batch_norm_elemt.out", XPU_SYCL_FN(batch_norm_elemt_out));
  m.impl("batch_norm_gather_stats", XPU_SYCL_FN(batch_norm_gather_stats));
  m.impl("batch_norm_gather_stats_with_counts", XPU_SYCL_FN(batch_norm_gather_stats_with_counts));
  m.impl("batch_norm_backward_reduce", XPU_SYCL_FN(batch_norm_backward_reduce));
  m.impl("batch_norm_backward_elemt", XPU_SYCL_FN(batch_norm_backward_elemt));
}

} // namespace xpu_lite::aten::sycl
