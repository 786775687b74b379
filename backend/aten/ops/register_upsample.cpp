#include "backend/aten/core/install.h"
#include "backend/aten/ops/upsample.h"

namespace xpu_lite::aten {
namespace {

XPU_LITE_HOST_IMPL(aten, PrivateUse1, m) {
  m.impl("upsample_nearest2d", TORCH_FN(upsample_nearest2d));
}

} // namespace
} // namespace xpu_lite::aten
