#include "backend/aten/sycl/convolution.h"

#include <ATen/native/ConvUtils.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>

#include "backend/aten/sycl/convolution_call.h"

namespace xpu_lite::aten::sycl {

namespace {

using at::MemoryFormat;
using at::Tensor;
using xpu::onednn::Direction;

// The layout that the CPU's result has, so that strides are the same.
MemoryFormat layout_of(const Tensor& input, const Tensor& weight) {
  auto channels_last = [](const Tensor& t) {
    const MemoryFormat format = t.suggest_memory_format();
    return format == MemoryFormat::ChannelsLast || format == MemoryFormat::ChannelsLast3d;
  };
  if (!channels_last(input) && !channels_last(weight)) return MemoryFormat::Contiguous;
  if (input.dim() == 4) return MemoryFormat::ChannelsLast;
  const bool onednn_on_cpu =
      input.scalar_type() == at::kFloat || input.scalar_type() == at::kBFloat16;
  return onednn_on_cpu ? MemoryFormat::ChannelsLast3d : MemoryFormat::Contiguous;
}

void check_types(const Tensor& input, const Tensor& other) {
  TORCH_CHECK(input.scalar_type() == other.scalar_type(), "expected scalar type ",
              input.scalar_type(), " but found ", other.scalar_type());
}

Tensor dense(const Tensor& t) { return t.is_non_overlapping_and_dense() ? t : t.contiguous(); }

} // namespace

Tensor convolution(const Tensor& input_, const Tensor& weight, const std::optional<Tensor>& bias,
                   at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                   bool transposed, at::IntArrayRef output_padding, int64_t groups) {
  check_types(input_, weight);
  if (bias.has_value() && bias->defined()) check_types(input_, *bias);
  const MemoryFormat layout = layout_of(input_, weight);
  const Tensor input = input_.contiguous(layout);
  const auto sizes =
      transposed ? at::native::conv_input_size(input.sizes(), weight.sizes(), padding,
                                               output_padding, stride, dilation, groups)
                 : at::native::conv_output_size(input.sizes(), weight.sizes(), padding, stride,
                                                dilation);
  Tensor output = at::empty(sizes, input.options().memory_format(layout));
  if (output.numel() == 0) return output;
  const bool has_bias = bias.has_value() && bias->defined();
  submit({.op = transposed ? "conv_transpose" : "convolution",
          .direction = Direction::Forward,
          .input = input,
          .weight = dense(weight),
          .output = output,
          .bias = has_bias ? bias->contiguous() : Tensor(),
          .stride = stride,
          .padding = padding,
          .dilation = dilation,
          .transposed = transposed,
          .groups = groups});
  return output;
}

std::tuple<Tensor, Tensor, Tensor> convolution_backward(
    const Tensor& grad_output_, const Tensor& input_, const Tensor& weight_,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
    at::IntArrayRef, int64_t groups, std::array<bool, 3> mask) {
  check_types(input_, weight_);
  check_types(input_, grad_output_);
  const MemoryFormat layout = layout_of(input_, weight_);
  const Tensor input = input_.contiguous(layout);
  const Tensor weight = dense(weight_);
  const Tensor grad_output = grad_output_.contiguous(layout);
  ConvolutionCall call{.op = transposed ? "conv_transpose_backward" : "convolution_backward",
                       .direction = Direction::BackwardData,
                       .input = input,
                       .weight = weight,
                       .output = grad_output,
                       .stride = stride,
                       .padding = padding,
                       .dilation = dilation,
                       .transposed = transposed,
                       .groups = groups};
  Tensor grad_input, grad_weight, grad_bias;
  if (mask[0]) {
    grad_input = at::empty(input.sizes(), input.options().memory_format(layout));
    call.input = grad_input;
    submit(call);
    call.input = input;
  }
  if (mask[1]) {
    grad_weight = at::empty(weight.sizes(), weight.options().memory_format(layout));
    if (mask[2]) grad_bias = at::empty({grad_output.size(1)}, grad_output.options());
    call.direction = Direction::BackwardWeights;
    call.weight = grad_weight, call.bias = grad_bias;
    submit(call);
  } else if (mask[2]) {
    std::vector<int64_t> all_but_channels{0};
    for (int64_t i = 2; i < grad_output.dim(); ++i) all_but_channels.push_back(i);
    grad_bias = at::sum(grad_output, all_but_channels);
  }
  return {std::move(grad_input), std::move(grad_weight), std::move(grad_bias)};
}

} // namespace xpu_lite::aten::sycl
