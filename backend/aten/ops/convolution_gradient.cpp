// The gradients of a convolution: those of the input and of the filter by the host engine's
// kernels where these were measured to be faster, torch's for the rest.

#include <ATen/EmptyTensor.h>
#include <ATen/ops/convolution_backward_ops.h>
#include <ATen/ops/sum.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/core/route2.h"
#include "backend/aten/ops/convolution_operands.h"
#include "backend/aten/ops/linear_operands.h"
#include "backend/aten/ops/packed_convolution.h"
#include "backend/cpu/conv/weight_gradient.h"
#include "backend/runtime/cpu_features.h"

namespace xpu_lite::aten {
namespace {

using at::MemoryFormat;
using at::Tensor;
namespace conv = cpu::conv;

constexpr const char* kBackward = "aten::convolution_backward";

// Each input pixel gathers from the outputs that it went to: a convolution of the output's
// gradient with the filter turned around, its inputs and outputs exchanged.
std::optional<Tensor> input_gradient(const Tensor& grad_output, const Tensor& input,
                                     const Tensor& weight, const Window2d& window) {
  if (weight.dim() != 4 || input.dim() != 4 || grad_output.dim() != 4 ||
      input.device() != grad_output.device() || input.scalar_type() != weight.scalar_type()) {
    return std::nullopt;
  }
  const auto of = [](at::IntArrayRef list, size_t i) { return list.size() == 1 ? list[0] : list[i]; };
  for (at::IntArrayRef list : {window.stride, window.padding, window.dilation}) {
    if (list.size() != 1 && list.size() != 2) return std::nullopt;
  }
  int64_t around[2], spread[2];
  for (size_t i = 0; i < 2; ++i) {
    if (of(window.stride, i) != 1) return std::nullopt;
    spread[i] = of(window.dilation, i);
    around[i] = spread[i] * (weight.size(2 + i) - 1) - of(window.padding, i);
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
  return run_convolution(kBackward, *c, grad_output, turned, input.scalar_type(),
                         last ? MemoryFormat::ChannelsLast : MemoryFormat::Contiguous, true);
}

// The measured choice between the kernel and torch's for a filter's gradient
// (benchmarks/convolution.py). Few channels fill no block, few outputs no panel. On processors
// with AMX torch's kernel uses it. What has channels first is turned around, which pays where
// several taps use it and nothing is left out between them, or where there are few pixels. One
// tap of many float pixels is as fast as memory: torch's kernel reads it without a copy.
bool gradient_is_faster_here(const conv::Convolution& c) {
  const int64_t taps = c.vertical.size * c.horizontal.size;
  const int64_t pixels = c.batch * c.out_height * c.out_width;
  const bool strided = c.vertical.stride > 1 || c.horizontal.stride > 1;
  const double work = double(pixels) * double(c.out_channels * c.channels) * double(taps);
  if (isa() < Isa::Avx512 || isa() >= Isa::Amx || c.channels < 12 || c.out_channels < 24 ||
      work < 1e6) {
    return false;
  }
  if (c.input_layout == conv::Layout::ChannelsFirst) {
    return taps > 1 ? !strided || pixels <= 512 : pixels <= (strided ? 64 : 512);
  }
  return taps > 1 || strided || c.dtype != cpu::DType::Float || c.channels < c.out_channels ||
      pixels <= 4000;
}

std::optional<Tensor> weight_gradient(const Tensor& grad_output, const Tensor& input,
                                      const Tensor& weight, const Window2d& window) {
  auto c = as_convolution(input, weight, window);
  if (!c || !gradient_is_faster_here(*c) || !is_host_operand(grad_output) ||
      grad_output.dim() != 4 || grad_output.device() != input.device() ||
      grad_output.scalar_type() != input.scalar_type() || !stream_of(input).runs_inline()) {
    return std::nullopt;
  }
  const int64_t sizes[4] = {c->batch, c->out_channels, c->out_height, c->out_width};
  const auto layout = convolution_layout(grad_output);
  if (grad_output.sizes() != at::IntArrayRef(sizes) || !layout) return std::nullopt;
  if (!convolution_layout(weight)) return std::nullopt;
  Tensor out = at::detail::empty_strided_generic(
      weight.sizes(), weight.strides(), device_allocator(),
      c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), weight.scalar_type());
  note_route(1, kBackward);
  KernelSpan span(kBackward, stream_of(input));
  conv::weight_gradient({c->dtype, c->batch, c->channels, c->height, c->width, c->out_channels,
                         c->out_height, c->out_width, c->vertical, c->horizontal,
                         input.const_data_ptr(), c->input_layout, grad_output.const_data_ptr(),
                         *layout, out.mutable_data_ptr(), c->dtype,
                         {out.stride(0), out.stride(1), out.stride(2), out.stride(3)}});
  return out;
}

} // namespace

std::tuple<Tensor, Tensor, Tensor> convolution_backward(
    const Tensor& grad_output, const Tensor& input, const Tensor& weight,
    at::OptionalIntArrayRef bias_sizes, at::IntArrayRef stride, at::IntArrayRef padding,
    at::IntArrayRef dilation, bool transposed, at::IntArrayRef output_padding, int64_t groups,
    std::array<bool, 3> output_mask) {
  std::array<std::optional<Tensor>, 3> ours;
  const Window2d window{stride, padding, dilation};
  if (!transposed && groups == 1) {
    if (output_mask[0]) ours[0] = input_gradient(grad_output, input, weight, window);
    if (output_mask[1]) ours[1] = weight_gradient(grad_output, input, weight, window);
    // torch's kernel for the bias makes the filter's gradient once more.
    if (output_mask[2] && ours[1]) ours[2] = at::sum(grad_output, {0, 2, 3});
  }
  std::tuple<Tensor, Tensor, Tensor> all;
  std::array<bool, 3> rest = output_mask;
  for (size_t i = 0; i < 3; ++i) rest[i] = rest[i] && !ours[i];
  if (rest[0] || rest[1] || rest[2] || !(ours[0] || ours[1])) {
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
  if (ours[0]) std::get<0>(all) = *std::move(ours[0]);
  if (ours[1]) std::get<1>(all) = *std::move(ours[1]);
  if (ours[2]) std::get<2>(all) = *std::move(ours[2]);
  return all;
}

} // namespace xpu_lite::aten
