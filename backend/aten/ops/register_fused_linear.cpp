// Names carry their namespace: aten has a linear, too, and the list of what is taken from
// route 2 is made of the names in these files.

#include "backend/aten/core/install.h"
#include "backend/aten/ops/fused_linear.h"

namespace xpu_lite::aten {
namespace {

TORCH_LIBRARY_FRAGMENT(xpu_lite, m) {
  m.def("xpu_lite::linear(Tensor input, Tensor weight, Tensor? bias=None, *, "
        "str activation=\"none\", Tensor? add=None, bool add_first=False, Tensor? mul=None) "
        "-> Tensor", {at::Tag::pt2_compliant_tag});
}

XPU_LITE_HOST_IMPL(xpu_lite, PrivateUse1, m) {
  m.impl("xpu_lite::linear", TORCH_FN(fused_linear_host));
}

TORCH_LIBRARY_IMPL(xpu_lite, CompositeExplicitAutograd, m) {
  m.impl("xpu_lite::linear", TORCH_FN(fused_linear_composed));
}

TORCH_LIBRARY_IMPL(xpu_lite, Meta, m) {
  m.impl("xpu_lite::linear", TORCH_FN(fused_linear_meta));
}

TORCH_LIBRARY_IMPL(xpu_lite, Autograd, m) {
  m.impl("xpu_lite::linear", TORCH_FN(fused_linear_autograd));
}

TORCH_LIBRARY_IMPL(xpu_lite, AutocastPrivateUse1, m) {
  m.impl("xpu_lite::linear", TORCH_FN(fused_linear_autocast));
}

} // namespace
} // namespace xpu_lite::aten
