// What torch's convolution calls when it does not know the device. Most calls
// never come here: route 2 takes `convolution` and `_convolution` as a whole.

#include "backend/aten/ops/convolution.h"

#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>

namespace xpu_lite::aten {

at::Tensor convolution_overrideable(const at::Tensor& input, const at::Tensor& weight,
                                    const std::optional<at::Tensor>& bias,
                                    at::IntArrayRef stride, at::IntArrayRef padding,
                                    at::IntArrayRef dilation, bool transposed,
                                    at::IntArrayRef output_padding, int64_t groups) {
  return at::convolution(input, weight, bias, stride, padding, dilation, transposed,
                         output_padding, groups);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward_overrideable(
    const at::Tensor& grad_output, const at::Tensor& input, const at::Tensor& weight,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
    at::IntArrayRef output_padding, int64_t groups, std::array<bool, 3> output_mask) {
  const int64_t channels = transposed ? weight.size(1) * groups : weight.size(0);
  return at::convolution_backward(grad_output, input, weight,
                                  output_mask[2] ? at::OptionalIntArrayRef(channels) : std::nullopt,
                                  stride, padding, dilation, transposed, output_padding, groups,
                                  output_mask);
}

} // namespace xpu_lite::aten
