// Autocast for the device: which operators run in the lower precision type, which
// in float32, and which in the widest type of their arguments. The lists are
// torch's own, the ones that CUDA uses, so a model that is safe to autocast there
// is safe here.

#include <ATen/autocast_mode.h>
#include <torch/library.h>

namespace xpu_lite::aten {
namespace {

// The names that torch's lists use.
using at::IntArrayRef;
using at::Scalar;
using at::ScalarType;
using at::Tensor;

at::Tensor binary_cross_entropy_banned(const at::Tensor&, const at::Tensor&,
                                       const std::optional<at::Tensor>&, int64_t) {
  TORCH_CHECK(false,
              "binary_cross_entropy: torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss "
              "are unsafe to autocast. Use binary_cross_entropy_with_logits or BCEWithLogitsLoss, "
              "which take the values before the sigmoid and are safe to autocast, or leave "
              "autocast around this loss with torch.autocast('xpu_lite', enabled=False).");
}

TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFallthrough());
}

TORCH_LIBRARY_IMPL(aten, AutocastPrivateUse1, m) {
#define XPU_LITE_LOWER_PRECISION(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, lower_precision_fp)
  AT_FORALL_LOWER_PRECISION_FP(XPU_LITE_LOWER_PRECISION)
#define XPU_LITE_FP32(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32)
  AT_FORALL_FP32(XPU_LITE_FP32)
#define XPU_LITE_FP32_SET_OPT_DTYPE(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32_set_opt_dtype)
  AT_FORALL_FP32_SET_OPT_DTYPE(XPU_LITE_FP32_SET_OPT_DTYPE)
  AT_FORALL_DIFFERENT_REDISPATCH_SIGNATURE(KERNEL_DIFFERENT_REDISPATCH_SIGNATURE_PRIVATEUSEONE)
#define XPU_LITE_PROMOTE(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, promote)
  AT_FORALL_PROMOTE(XPU_LITE_PROMOTE)
  m.impl("binary_cross_entropy", TORCH_FN(binary_cross_entropy_banned));
}

} // namespace
} // namespace xpu_lite::aten
