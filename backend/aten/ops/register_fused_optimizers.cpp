// Registration of the fused optimizer steps and of GradScaler's operators, for every
// engine: see engine_kernels.h.

#include <torch/library.h>

#include "backend/aten/ops/fused_optimizers.h"

namespace xpu_lite::aten {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("_fused_adam_", TORCH_FN((fused_adam_<double, false>)));
  m.impl("_fused_adam_.tensor_lr", TORCH_FN((fused_adam_<const Tensor&, false>)));
  m.impl("_fused_adamw_", TORCH_FN((fused_adam_<double, true>)));
  m.impl("_fused_adamw_.tensor_lr", TORCH_FN((fused_adam_<const Tensor&, true>)));
  m.impl("_fused_sgd_", TORCH_FN(fused_sgd_<double>));
  m.impl("_fused_sgd_.tensor_lr", TORCH_FN(fused_sgd_<const Tensor&>));
  m.impl("_fused_adagrad_", TORCH_FN(fused_adagrad_<double>));
  m.impl("_fused_adagrad_.tensor_lr", TORCH_FN(fused_adagrad_<const Tensor&>));
  m.impl("_amp_foreach_non_finite_check_and_unscale_", TORCH_FN(amp_unscale_));
  m.impl("_amp_update_scale_", TORCH_FN(amp_update_scale_));
}

} // namespace xpu_lite::aten
