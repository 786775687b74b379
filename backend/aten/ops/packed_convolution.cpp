#include "backend/aten/ops/packed_convolution.h"

#include <ATen/EmptyTensor.h>
#include <ATen/ops/_convolution_ops.h>
#include <c10/core/GradMode.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/core/route2.h"
#include "backend/aten/ops/convolution_operands.h"
#include "backend/aten/ops/linear_operands.h"
#include "backend/aten/ops/packed_weights.h"
#include "backend/cpu/conv/winograd.h"

namespace xpu_lite::aten {

using at::MemoryFormat;
using at::Tensor;
namespace conv = cpu::conv;

namespace {

// They tell packed forms from a matrix's.
constexpr int64_t kConvolutionForm = 1, kTurnedForm = 2, kWinogradForm = 3,
                  kTurnedWinogradForm = 4;

int64_t out_size(int64_t in, const conv::Window& w) {
  return (in + 2 * w.pad - w.dilation * (w.size - 1) - 1) / w.stride + 1;
}

} // namespace

std::optional<conv::Layout> convolution_layout(const Tensor& t) {
  if (t.is_contiguous(MemoryFormat::ChannelsLast)) return conv::Layout::ChannelsLast;
  if (t.is_contiguous()) return conv::Layout::ChannelsFirst;
  return std::nullopt;
}

bool prefers_channels_last(const Tensor& input, const Tensor& weight) {
  return input.suggest_memory_format() == MemoryFormat::ChannelsLast ||
      weight.suggest_memory_format() == MemoryFormat::ChannelsLast;
}

std::optional<conv::Convolution> as_convolution(const Tensor& input, const Tensor& weight,
                                                const Window2d& window) {
  if (!is_host_operand(input) || !is_host_operand(weight) || input.dim() != 4 ||
      weight.dim() != 4 || input.scalar_type() != weight.scalar_type() ||
      input.device() != weight.device() || weight.size(1) != input.size(1) ||
      input.numel() == 0 || weight.numel() == 0) {
    return std::nullopt;
  }
  const auto dtype = gemm_type(input.scalar_type());
  const auto layout = convolution_layout(input);
  const auto of = [](at::IntArrayRef list, size_t i) { return list.size() == 1 ? list[0] : list[i]; };
  for (at::IntArrayRef list : {window.stride, window.padding, window.dilation}) {
    if (list.size() != 1 && list.size() != 2) return std::nullopt;
  }
  if (!dtype || !layout) return std::nullopt;
  conv::Window w[2];
  for (size_t i = 0; i < 2; ++i) {
    w[i] = {weight.size(2 + i), of(window.stride, i), of(window.padding, i),
            of(window.dilation, i)};
    if (w[i].stride < 1 || w[i].pad < 0 || w[i].dilation < 1) return std::nullopt;
    if (input.size(2 + i) + 2 * w[i].pad < w[i].dilation * (w[i].size - 1) + 1) {
      return std::nullopt;
    }
  }
  conv::Convolution c{};
  c.dtype = c.output_dtype = *dtype;
  c.batch = input.size(0), c.channels = input.size(1);
  c.height = input.size(2), c.width = input.size(3);
  c.out_channels = weight.size(0);
  c.out_height = out_size(c.height, w[0]), c.out_width = out_size(c.width, w[1]);
  c.vertical = w[0], c.horizontal = w[1];
  c.input_layout = *layout;
  return c;
}

bool is_faster_here(const conv::Convolution& c, bool channels_last) {
  const int64_t taps = c.vertical.size * c.horizontal.size, k = c.channels * taps;
  const double work = double(c.batch * c.out_height * c.out_width) * double(c.out_channels * k);
  // Panels have 32 columns; short sums leave the processor waiting for their ends.
  if (c.out_channels < 16 || k < 16 || work < double(1 << 17)) return false;
  if (channels_last) return true;
  // One tap of many 16-bit pixels: turning them around costs more than torch's own copies.
  if (taps == 1 && c.dtype != cpu::DType::Float && c.batch * c.out_height * c.out_width > 6000) {
    return false;
  }
  // What is turned around, in and out, must be used often enough.
  const bool small = work < 1e7;
  return k >= 32 && (c.channels > 4 || small) &&
      (c.out_channels > 32 || small || c.dtype != cpu::DType::Float);
}

namespace {

conv::Filter as_filter(const Tensor& weight, cpu::DType dtype, bool turned) {
  conv::Filter filter{dtype, weight.size(0), weight.size(1), weight.size(2), weight.size(3),
                      weight.const_data_ptr(), dtype,
                      {weight.stride(0), weight.stride(1), weight.stride(2), weight.stride(3)}};
  if (turned) {
    const int64_t last = (filter.height - 1) * filter.strides[2] +
        (filter.width - 1) * filter.strides[3];
    filter.data = static_cast<const char*>(filter.data) + last * cpu::dtype_size(dtype);
    filter.strides[2] = -filter.strides[2], filter.strides[3] = -filter.strides[3];
  }
  return filter;
}

std::shared_ptr<const void> winograd_filter(const Tensor& weight, bool turned) {
  const conv::Filter filter = as_filter(weight, cpu::DType::Float, turned);
  return packed_by(weight, weight.scalar_type(), conv::winograd_packed_bytes(filter),
                   [&](void* out) { conv::winograd_pack(filter, out); },
                   {turned ? kTurnedWinogradForm : kWinogradForm});
}

} // namespace

std::shared_ptr<const void> packed_filter(const Tensor& weight, cpu::DType dtype, bool turned) {
  const conv::Filter filter = as_filter(weight, dtype, turned);
  return packed_by(weight, weight.scalar_type(), conv::packed_bytes(filter),
                   [&](void* out) { conv::pack(filter, out); },
                   {turned ? kTurnedForm : kConvolutionForm});
}

Tensor run_convolution(const char* name, conv::Convolution& c, const Tensor& input,
                       const Tensor& weight, at::ScalarType type, MemoryFormat format,
                       bool turned) {
  const int64_t sizes[4] = {c.batch, c.out_channels, c.out_height, c.out_width};
  Tensor out = at::detail::empty_generic(sizes, device_allocator(),
                                         c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                         type, format);
  c.input = input.const_data_ptr();
  c.output = out.mutable_data_ptr();
  c.output_dtype = *gemm_type(type);
  c.output_layout = format == MemoryFormat::ChannelsLast ? conv::Layout::ChannelsLast
                                                         : conv::Layout::ChannelsFirst;
  // A filter that is trained is packed for every step.
  const bool filter_changes = turned || (c10::GradMode::is_enabled() && weight.requires_grad());
  const bool winograd = conv::prefers_winograd(c, filter_changes);
  const auto packed =
      winograd ? winograd_filter(weight, turned) : packed_filter(weight, c.dtype, turned);
  c.packed = packed.get();
  note_route(1, name);
  KernelSpan span(name, stream_of(input));
  winograd ? conv::winograd_convolution(c) : conv::convolution(c);
  return out;
}

bool set_bias(conv::Convolution& c, const std::optional<Tensor>& bias, const Tensor& input) {
  if (!bias || !bias->defined()) return true;
  if (!is_host_operand(*bias) || bias->dim() != 1 || bias->size(0) != c.out_channels ||
      !bias->is_contiguous() || bias->device() != input.device() ||
      bias->scalar_type() != input.scalar_type()) {
    return false;
  }
  c.epilogue.bias = {bias->const_data_ptr(), *gemm_type(bias->scalar_type())};
  return true;
}

Tensor convolution(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                   at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                   bool transposed, at::IntArrayRef output_padding, int64_t groups,
                   bool benchmark, bool deterministic, bool cudnn_enabled, bool allow_tf32) {
  if (!transposed && groups == 1) {
    auto c = as_convolution(input, weight, {stride, padding, dilation});
    const bool last = prefers_channels_last(input, weight);
    if (c && is_faster_here(*c, last) && set_bias(*c, bias, input) &&
        stream_of(input).runs_inline()) {
      return run_convolution("aten::_convolution", *c, input, weight, input.scalar_type(),
                             last ? MemoryFormat::ChannelsLast : MemoryFormat::Contiguous);
    }
  }
  return Route2<at::_ops::_convolution, kComposite>::call(
      input, weight, bias, c10::fromIntArrayRefSlow(stride), c10::fromIntArrayRefSlow(padding),
      c10::fromIntArrayRefSlow(dilation), transposed, c10::fromIntArrayRefSlow(output_padding),
      groups, benchmark, deterministic, cudnn_enabled, allow_tf32);
}

} // namespace xpu_lite::aten
