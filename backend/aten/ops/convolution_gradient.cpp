#include <ATen/ops/convolution_backward_ops.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/core/route2.h"
#include "backend/aten/ops/convolution_operands.h"
#include "backend/aten/ops/packed_convolution.h"

namespace xpu_lite::aten {
namespace {

using at::Tensor;

// Each input pixel gathers from the outputs that it went to: a convolution of the output's
// gradient with the filter turned around, its inputs and outputs exchanged.
std::optional<Tensor> input_gradient(const Tensor& grad_output, const Tensor& input,
                                     const Tensor& weight, at::IntArrayRef stride,
                                     at::IntArrayRef padding, at::IntArrayRef dilation) {
  if (weight.dim() != 4 || input.dim() != 4 || grad_output.dim() != 4 ||
      input.device() != grad_output.device() || input.scalar_type() != weight.scalar_type()) {
    return std::nullopt;
  }
  const auto of = [](at::IntArrayRef list, size_t i) { return list.size() == 1 ? list[0] : list[i]; };
  for (at::IntArrayRef list : {stride, padding, dilation}) {
    if (list.size() != 1 && list.size() != 2) return std::nullopt;
  }
  int64_t around[2], spread[2];
  for (size_t i = 0; i < 2; ++i) {
    if (of(stride, i) != 1) return std::nullopt;
    spread[i] = of(dilation, i);
    around[i] = spread[i] * (weight.size(2 + i) - 1) - of(padding, i);
  }
  const int64_t steps[2] = {1, 1};
  const Tensor turned = weight.transpose(0, 1);
  auto c = as_convolution(grad_output, turned, {steps, around, spread});
  const bool last = prefers_channels_last(input, weight);
  if (!c || !is_faster_here(*c, last) || c->batch != input.size(0) ||
      c->out_height != input.size(2) || c->out_width != input.size(3) ||
      !stream_of(input).runs_inline()) {
    return std::nullopt;
  }
  return run_convolution("aten::convolution_backward", *c, grad_output, turned,
                         input.scalar_type(),
                         last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous,
                         true);
}

} // namespace

std::tuple<Tensor, Tensor, Tensor> convolution_backward(
    const Tensor& grad_output, const Tensor& input, const Tensor& weight,
    at::OptionalIntArrayRef bias_sizes, at::IntArrayRef stride, at::IntArrayRef padding,
    at::IntArrayRef dilation, bool transposed, at::IntArrayRef output_padding, int64_t groups,
    std::array<bool, 3> output_mask) {
  std::optional<Tensor> ours;
  if (output_mask[0] && !transposed && groups == 1) {
    ours = input_gradient(grad_output, input, weight, stride, padding, dilation);
  }
  std::tuple<Tensor, Tensor, Tensor> all;
  std::array<bool, 3> rest = output_mask;
  if (ours) rest[0] = false;
  if (!ours || rest[1] || rest[2]) {
    std::optional<std::vector<c10::SymInt>> sizes;
    at::OptionalSymIntArrayRef bias;
    if (bias_sizes.has_value()) {
      sizes.emplace(bias_sizes->begin(), bias_sizes->end());
      bias = at::OptionalSymIntArrayRef(*sizes);
    }
    all = Route2<at::_ops::convolution_backward, kComposite>::call(
        grad_output, input, weight, bias, c10::fromIntArrayRefSlow(stride),
        c10::fromIntArrayRefSlow(padding), c10::fromIntArrayRefSlow(dilation), transposed,
        c10::fromIntArrayRefSlow(output_padding), groups, rest);
  }
  if (ours) std::get<0>(all) = *std::move(ours);
  return all;
}

} // namespace xpu_lite::aten
