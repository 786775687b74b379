// Autocast for the device: which operators run in the lower precision type, which
// in float32, and which in the widest type of their arguments. The lists are
// torch's own, the ones that CUDA uses, so a model that is safe to autocast there
// is safe here.

#include <string_view>

#include <ATen/autocast_mode.h>
#include <torch/library.h>

#include "backend/aten/core/weight_casts.h"
#include "backend/aten/ops/linear.h"

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

// Operators (input, weight, bias, ...): without gradients the weight is cast once and not
// in each autocast region.
template <class Function>
struct WithWeight;
template <class... Rest>
struct WithWeight<Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, Rest...)> {
  using Function = Tensor (*)(const Tensor&, const Tensor&, const std::optional<Tensor>&, Rest...);
  template <Function function>
  static Tensor call(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                     Rest... rest) {
    constexpr auto device = c10::DeviceType::PrivateUse1;
    c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastPrivateUse1);
    const ScalarType to = at::autocast::get_lower_precision_fp_from_device_type(device);
    return function(at::autocast::cached_cast(to, input, device), cast_weight(weight, to),
                    cast_weight(bias, to), std::forward<Rest>(rest)...);
  }
};

Tensor linear_with_weight(const Tensor& input, const Tensor& weight,
                          const std::optional<Tensor>& bias) {
  constexpr auto device = c10::DeviceType::PrivateUse1;
  c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastPrivateUse1);
  const ScalarType to = at::autocast::get_lower_precision_fp_from_device_type(device);
  if (auto out = autocast_linear(input, weight, bias, to)) return *std::move(out);
  return at::linear(at::autocast::cached_cast(to, input, device), cast_weight(weight, to),
                    cast_weight(bias, to));
}

// A layer that keeps its weight the other way round (GPT-2's): bias, input, weight.
Tensor addmm_with_weight(const Tensor& self, const Tensor& mat1, const Tensor& mat2,
                         const Scalar& beta, const Scalar& alpha) {
  constexpr auto device = c10::DeviceType::PrivateUse1;
  c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastPrivateUse1);
  const ScalarType to = at::autocast::get_lower_precision_fp_from_device_type(device);
  return at::addmm(cast_weight(self, to), at::autocast::cached_cast(to, mat1, device),
                   cast_weight(mat2, to), beta, alpha);
}

constexpr std::string_view kWithWeight[] = {
    "aten::linear", "aten::addmm", "aten::conv1d", "aten::conv2d", "aten::conv3d", "aten::convolution",
    "aten::conv_transpose1d", "aten::conv_transpose2d.input", "aten::conv_transpose3d.input"};

// The library, for all of torch's list but the operators above.
struct Others {
  torch::Library& library;
  template <class Name, class Kernel>
  void impl(Name name, Kernel&& kernel) {
    for (std::string_view taken : kWithWeight) {
      if (taken == std::string_view(name)) return;
    }
    library.impl(name, std::forward<Kernel>(kernel));
  }
};

void register_lower_precision(Others m) {
#define XPU_LITE_LOWER_PRECISION(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, lower_precision_fp)
  AT_FORALL_LOWER_PRECISION_FP(XPU_LITE_LOWER_PRECISION)
}

TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFallthrough());
}

TORCH_LIBRARY_IMPL(aten, AutocastPrivateUse1, m) {
  register_lower_precision({m});
#define XPU_LITE_WITH_WEIGHT(NAME, OP) \
  m.impl("aten::" NAME, &WithWeight<std::remove_pointer_t<decltype(ATEN_FN(OP))>>::call<&ATEN_FN(OP)>)
#define XPU_LITE_WITH_WEIGHT_2(NAME, OP, OVERLOAD)                                     \
  m.impl("aten::" NAME, &WithWeight<std::remove_pointer_t<decltype(ATEN_FN2(OP, OVERLOAD))>>::call< \
                            &ATEN_FN2(OP, OVERLOAD)>)
  m.impl("aten::linear", TORCH_FN(linear_with_weight));
  m.impl("aten::addmm", TORCH_FN(addmm_with_weight));
  XPU_LITE_WITH_WEIGHT("conv1d", conv1d);
  XPU_LITE_WITH_WEIGHT("conv2d", conv2d);
  XPU_LITE_WITH_WEIGHT("conv3d", conv3d);
  XPU_LITE_WITH_WEIGHT("convolution", convolution);
  XPU_LITE_WITH_WEIGHT("conv_transpose1d", conv_transpose1d);
  XPU_LITE_WITH_WEIGHT_2("conv_transpose2d.input", conv_transpose2d, input);
  XPU_LITE_WITH_WEIGHT_2("conv_transpose3d.input", conv_transpose3d, input);
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
