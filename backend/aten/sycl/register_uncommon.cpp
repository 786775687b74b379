// Operators of rarer use that are no structured ones.

#include <torch/library.h>

#include "backend/aten/sycl/ctc_loss.h"
#include "backend/aten/sycl/distance.h"
#include "backend/aten/sycl/grid_sample.h"
#include "backend/aten/sycl/max_unpool.h"
#include "backend/aten/sycl/same_device.h"

namespace xpu_lite::aten::sycl {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("grid_sampler_2d", XPU_SYCL_FN(grid_sampler_2d));
  m.impl("grid_sampler_2d_backward", XPU_SYCL_FN(grid_sampler_2d_backward));
  m.impl("grid_sampler_3d", XPU_SYCL_FN(grid_sampler_3d));
  m.impl("grid_sampler_3d_backward", XPU_SYCL_FN(grid_sampler_3d_backward));

  m.impl("max_unpool2d", XPU_SYCL_FN(max_unpool2d));
  m.impl("max_unpool2d.out", XPU_SYCL_FN(max_unpool2d_out));
  m.impl("max_unpool3d", XPU_SYCL_FN(max_unpool3d));
  m.impl("max_unpool3d.out", XPU_SYCL_FN(max_unpool3d_out));

  m.impl("_cdist_forward", XPU_SYCL_FN(cdist_forward));
  m.impl("_cdist_backward", XPU_SYCL_FN(cdist_backward));
  m.impl("_pdist_forward", XPU_SYCL_FN(pdist_forward));
  m.impl("_pdist_backward", XPU_SYCL_FN(pdist_backward));

  // Targets and lengths may be on the CPU.
  m.impl("_ctc_loss", TORCH_FN(ctc_loss));
  m.impl("_ctc_loss.Tensor", TORCH_FN(ctc_loss_tensor));
  m.impl("_ctc_loss_backward", TORCH_FN(ctc_loss_backward));
  m.impl("_ctc_loss_backward.Tensor", TORCH_FN(ctc_loss_backward_tensor));
}

} // namespace xpu_lite::aten::sycl
