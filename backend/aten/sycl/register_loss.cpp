#include <torch/library.h>

#include "backend/aten/sycl/loss.h"
#include "backend/aten/sycl/same_device.h"

namespace xpu_lite::aten::sycl {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("nll_loss2d_forward", XPU_SYCL_FN(nll_loss2d));
  m.impl("nll_loss2d_forward.output", XPU_SYCL_FN(nll_loss2d_out));
  m.impl("nll_loss2d_backward", XPU_SYCL_FN(nll_loss2d_backward));
  m.impl("nll_loss2d_backward.grad_input", XPU_SYCL_FN(nll_loss2d_backward_out));
  m.impl("binary_cross_entropy", XPU_SYCL_FN(binary_cross_entropy));
  m.impl("binary_cross_entropy.out", XPU_SYCL_FN(binary_cross_entropy_out));
  m.impl("binary_cross_entropy_backward", XPU_SYCL_FN(binary_cross_entropy_backward));
  m.impl("binary_cross_entropy_backward.grad_input", XPU_SYCL_FN(binary_cross_entropy_backward_out));
}

} // namespace xpu_lite::aten::sycl
