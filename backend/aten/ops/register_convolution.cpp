#include "backend/aten/core/install.h"
#include "backend/aten/ops/convolution.h"

namespace xpu_lite::aten {
namespace {

XPU_LITE_HOST_IMPL(aten, PrivateUse1, m) {
  m.impl("convolution_overrideable", TORCH_FN(convolution_overrideable));
  m.impl("convolution_backward_overrideable", TORCH_FN(convolution_backward_overrideable));
}

} // namespace
} // namespace xpu_lite::aten
