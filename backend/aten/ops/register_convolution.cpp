// Names of ours carry their namespace: the list of what is taken from route 2 is made of
// the names in these files.

#include "backend/aten/core/install.h"
#include "backend/aten/core/route2.h"
#include "backend/aten/ops/byte_pool.h"
#include "backend/aten/ops/convolution.h"
#include "backend/aten/ops/int8_convolution.h"
#include "backend/aten/ops/packed_convolution.h"

namespace xpu_lite::aten {
namespace {

XPU_LITE_HOST_IMPL(aten, PrivateUse1, m) {
  m.impl("_convolution", TORCH_FN(convolution));
  m.impl("convolution_backward", TORCH_FN(convolution_backward));
  m.impl("convolution_overrideable", TORCH_FN(convolution_overrideable));
  m.impl("convolution_backward_overrideable", TORCH_FN(convolution_backward_overrideable));
}

// Route 2 does this for its composites: with work queued torch's composite would be taken
// otherwise, which comes back here without end.
const bool queued_convolutions = detail::at_host_install([] {
  register_queued("aten::_convolution", "");
  register_queued("aten::convolution_backward", "");
});

TORCH_LIBRARY_FRAGMENT(xpu_lite, m) {
  m.def("xpu_lite::convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, "
        "int[] padding, int[] dilation, int groups, *, str activation=\"none\", "
        "Tensor? add=None) -> Tensor", {at::Tag::pt2_compliant_tag});
  m.def("xpu_lite::int8_convolution(Tensor input, Tensor weight, Tensor weight_scale, "
        "Tensor? bias, int[] stride, int[] padding, int[] dilation, *, Tensor input_scale, "
        "Tensor? input_zero=None, str activation=\"none\", Tensor? add=None, "
        "Tensor? add_scale=None, Tensor? add_zero=None, Tensor? output_scale=None, "
        "Tensor? output_zero=None, ScalarType? out_dtype=None) -> Tensor",
        {at::Tag::pt2_compliant_tag});
  m.def("xpu_lite::byte_max_pool2d(Tensor input, int[] kernel_size, int[] stride, "
        "int[] padding, int[] dilation, bool ceil_mode=False) -> Tensor",
        {at::Tag::pt2_compliant_tag});
}

XPU_LITE_HOST_IMPL(xpu_lite, PrivateUse1, m) {
  m.impl("xpu_lite::convolution", TORCH_FN(fused_convolution_host));
  m.impl("xpu_lite::int8_convolution", TORCH_FN(int8_convolution_host));
  m.impl("xpu_lite::byte_max_pool2d", TORCH_FN(byte_max_pool2d_host));
}

TORCH_LIBRARY_IMPL(xpu_lite, CompositeExplicitAutograd, m) {
  m.impl("xpu_lite::convolution", TORCH_FN(fused_convolution_composed));
  m.impl("xpu_lite::int8_convolution", TORCH_FN(int8_convolution_composed));
  m.impl("xpu_lite::byte_max_pool2d", TORCH_FN(byte_max_pool2d_composed));
}

TORCH_LIBRARY_IMPL(xpu_lite, Meta, m) {
  m.impl("xpu_lite::int8_convolution", TORCH_FN(int8_convolution_meta));
}

TORCH_LIBRARY_IMPL(xpu_lite, Autograd, m) {
  m.impl("xpu_lite::convolution", TORCH_FN(fused_convolution_autograd));
}

TORCH_LIBRARY_IMPL(xpu_lite, AutocastPrivateUse1, m) {
  m.impl("xpu_lite::convolution", TORCH_FN(fused_convolution_autocast));
  m.impl("xpu_lite::int8_convolution", TORCH_FN(int8_convolution_autocast));
}

} // namespace
} // namespace xpu_lite::aten
