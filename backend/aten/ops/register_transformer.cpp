#include "backend/aten/core/install.h"
#include "backend/aten/ops/linear.h"
#include "backend/aten/ops/transformer_layer.h"
#include "backend/aten/ops/transformer_ops.h"

namespace xpu_lite::aten {
namespace {

XPU_LITE_HOST_IMPL(aten, PrivateUse1, m) {
  m.impl("linear", TORCH_FN(linear));
  m.impl("gelu", TORCH_FN(gelu));
  m.impl("silu", TORCH_FN(silu));
  m.impl("native_layer_norm", TORCH_FN(native_layer_norm));
  m.impl("_transformer_encoder_layer_fwd", TORCH_FN(transformer_encoder_layer));
  m.impl("_native_multi_head_attention", TORCH_FN(native_multi_head_attention));
}

XPU_LITE_HOST_IMPL(aten, AutogradPrivateUse1, m) {
  m.impl("linear", TORCH_FN(linear));
}

} // namespace
} // namespace xpu_lite::aten
