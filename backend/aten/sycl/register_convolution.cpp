#include <torch/library.h>

#include "backend/aten/sycl/convolution.h"
#include "backend/aten/sycl/same_device.h"

namespace xpu_lite::aten::sycl {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("convolution_overrideable", XPU_SYCL_FN(convolution));
  m.impl("convolution_backward_overrideable", XPU_SYCL_FN(convolution_backward));
}

} // namespace xpu_lite::aten::sycl
