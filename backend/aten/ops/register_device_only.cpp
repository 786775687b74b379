#include <torch/library.h>

#include "backend/aten/ops/device_only.h"

namespace xpu_lite::aten {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("_conv_depthwise2d", TORCH_FN(conv_depthwise2d));
  m.impl("_conv_depthwise2d.out", TORCH_FN(conv_depthwise2d_out));
  m.impl("conv_depthwise3d", TORCH_FN(conv_depthwise3d));
  m.impl("max_pool2d_backward", TORCH_FN(max_pool2d_backward));
  m.impl("_convert_weight_to_int4pack", TORCH_FN(convert_weight_to_int4pack));
  m.impl("_weight_int4pack_mm", TORCH_FN(weight_int4pack_mm));
  m.impl("_scaled_grouped_mm", TORCH_FN(scaled_grouped_mm));
  m.impl("_scaled_grouped_mm_v2", TORCH_FN(scaled_grouped_mm_v2));
}

} // namespace xpu_lite::aten
