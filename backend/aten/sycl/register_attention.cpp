#include <torch/library.h>

#include "backend/aten/sycl/attention.h"
#include "backend/aten/sycl/same_device.h"

namespace xpu_lite::aten::sycl {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("_fused_sdp_choice", XPU_SYCL_FN(fused_sdp_choice));
  m.impl("_scaled_dot_product_fused_attention_overrideable", XPU_SYCL_FN(fused_attention));
  m.impl("_scaled_dot_product_fused_attention_overrideable_backward",
         XPU_SYCL_FN(fused_attention_backward));
  m.impl("_scaled_dot_product_flash_attention_for_cpu", XPU_SYCL_FN(flash_attention));
  m.impl("_scaled_dot_product_flash_attention_for_cpu_backward",
         XPU_SYCL_FN(flash_attention_backward));
}

TORCH_LIBRARY_IMPL(aten, AutogradPrivateUse1, m) {
  m.impl("_scaled_dot_product_fused_attention_overrideable_backward",
         XPU_SYCL_FN(fused_attention_backward_autograd));
}

} // namespace xpu_lite::aten::sycl
