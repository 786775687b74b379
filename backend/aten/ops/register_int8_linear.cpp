// Names carry their namespace: see register_fused_linear.cpp.

#include "backend/aten/core/install.h"
#include "backend/aten/ops/int8_linear.h"

namespace xpu_lite::aten {
namespace {

TORCH_LIBRARY_FRAGMENT(xpu_lite, m) {
  m.def("xpu_lite::int8_linear(Tensor input, Tensor weight, Tensor weight_scale, "
        "Tensor? bias=None, *, Tensor? input_scale=None, Tensor? input_zero=None, "
        "Tensor? input_factor=None, str activation=\"none\", Tensor? add=None, bool add_first=False, Tensor? mul=None, "
        "Tensor? output_scale=None, Tensor? output_zero=None, ScalarType? out_dtype=None) "
        "-> Tensor", {at::Tag::pt2_compliant_tag});
  m.def("xpu_lite::weight_only_linear(Tensor input, Tensor weight, Tensor scale, "
        "Tensor? zero=None, Tensor? bias=None, *, int group, str activation=\"none\", "
        "Tensor? add=None, bool add_first=False, Tensor? mul=None) -> Tensor",
        {at::Tag::pt2_compliant_tag});
}

XPU_LITE_HOST_IMPL(xpu_lite, PrivateUse1, m) {
  m.impl("xpu_lite::int8_linear", TORCH_FN(int8_linear_host));
  m.impl("xpu_lite::weight_only_linear", TORCH_FN(weight_only_linear_host));
}

TORCH_LIBRARY_IMPL(xpu_lite, CompositeExplicitAutograd, m) {
  m.impl("xpu_lite::int8_linear", TORCH_FN(int8_linear_composed));
  m.impl("xpu_lite::weight_only_linear", TORCH_FN(weight_only_linear_composed));
}

TORCH_LIBRARY_IMPL(xpu_lite, Meta, m) {
  m.impl("xpu_lite::int8_linear", TORCH_FN(int8_linear_meta));
  m.impl("xpu_lite::weight_only_linear", TORCH_FN(weight_only_linear_meta));
}

TORCH_LIBRARY_IMPL(xpu_lite, AutocastPrivateUse1, m) {
  m.impl("xpu_lite::int8_linear", TORCH_FN(int8_linear_autocast));
  m.impl("xpu_lite::weight_only_linear", TORCH_FN(weight_only_linear_autocast));
}

} // namespace
} // namespace xpu_lite::aten
