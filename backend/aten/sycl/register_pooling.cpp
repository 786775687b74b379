#include <torch/library.h>

#include "backend/aten/sycl/pooling.h"
#include "backend/aten/sycl/same_device.h"

namespace xpu_lite::aten::sycl {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("max_pool3d_with_indices", XPU_SYCL_FN(max_pool3d));
  m.impl("max_pool3d_with_indices.out", XPU_SYCL_FN(max_pool3d_out));
  m.impl("max_pool3d_with_indices_backward", XPU_SYCL_FN(max_pool3d_backward));
  m.impl("max_pool3d_with_indices_backward.grad_input", XPU_SYCL_FN(max_pool3d_backward_out));
  m.impl("_adaptive_avg_pool2d", XPU_SYCL_FN(adaptive_avg_pool2d));
  m.impl("adaptive_avg_pool2d.out", XPU_SYCL_FN(adaptive_avg_pool2d_out));
  m.impl("_adaptive_avg_pool2d_backward", XPU_SYCL_FN(adaptive_avg_pool2d_backward));
  m.impl("_adaptive_avg_pool3d", XPU_SYCL_FN(adaptive_avg_pool3d));
  m.impl("adaptive_avg_pool3d.out", XPU_SYCL_FN(adaptive_avg_pool3d_out));
  m.impl("_adaptive_avg_pool3d_backward", XPU_SYCL_FN(adaptive_avg_pool3d_backward));
  m.impl("adaptive_avg_pool3d_backward.grad_input", XPU_SYCL_FN(adaptive_avg_pool3d_backward_out));
}

} // namespace xpu_lite::aten::sycl
