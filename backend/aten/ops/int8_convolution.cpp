#include "backend/aten/ops/int8_convolution.h"

#include <ATen/EmptyTensor.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/convolution.h>

#include "backend/aten/ops/int8_operands.h"
#include "backend/aten/ops/packed_weights.h"
#include "backend/cpu/conv/int8_convolution.h"

namespace xpu_lite::aten {
namespace {

using at::Tensor;
namespace conv = cpu::conv;
using cpu::gemm::Int8Input;
using cpu::gemm::Int8Output;
using MaybeTensor = std::optional<Tensor>;

constexpr const char* kInt8Convolution = "xpu_lite::int8_convolution";
constexpr int64_t kInt8ConvolutionForm = 3; // tells it from a matrix's and a float filter's

#define XPU_LITE_INT8_CONVOLUTION_NAMES                                                          \
  input, weight, weight_scale, bias, stride, padding, dilation, input_scale, input_zero,         \
      activation, add, add_scale, add_zero, output_scale, output_zero, out_dtype

struct SymWindow {
  c10::SymInt size, stride, pad, dilation;
  c10::SymInt of(const c10::SymInt& in) const {
    return (in + pad * 2 - dilation * (size - 1) - 1) / stride + 1;
  }
};

// The output's sizes; throws what a user got wrong.
c10::SymDimVector checked_sizes(XPU_LITE_INT8_CONVOLUTION_ARGUMENTS) {
  TORCH_CHECK(weight.dim() == 4 && weight.scalar_type() == at::kChar, "[", kInt8Convolution,
              "] weight must be int8 of [out_channels, in_channels, height, width], got ",
              weight.scalar_type(), " of ", weight.sym_sizes());
  const auto n = weight.sym_size(0);
  TORCH_CHECK(input.dim() == 4 && input.sym_size(1) == weight.sym_size(1), "[", kInt8Convolution,
              "] input of shape ", input.sym_sizes(), " does not fit a weight of ",
              weight.sym_sizes());
  TORCH_CHECK(weight.sym_size(1) * weight.sym_size(2) * weight.sym_size(3) <= 65536, "[",
              kInt8Convolution, "] at most 65536 weights for an output, got a weight of ",
              weight.sym_sizes());
  activation_of(kInt8Convolution, activation);
  check_int8_scales(kInt8Convolution, input, weight_scale, n, input_scale, input_zero,
                    output_scale, output_zero, out_dtype);
  check_int8_scalar(kInt8Convolution, "add_scale", add_scale, at::kFloat);
  check_int8_scalar(kInt8Convolution, "add_zero", add_zero, at::kInt);
  TORCH_CHECK(!given(bias) || (bias->dim() == 1 && bias->sym_size(0) == n &&
                                 bias->device() == input.device()),
              "[", kInt8Convolution, "] bias must have shape [", n, "] on ", input.device());
  c10::SymDimVector sizes{input.sym_size(0), n};
  const auto of = [](at::IntArrayRef list, size_t i) { return list.size() == 1 ? list[0] : list[i]; };
  for (at::IntArrayRef list : {stride, padding, dilation}) {
    TORCH_CHECK(list.size() == 1 || list.size() == 2, "[", kInt8Convolution,
                "] stride, padding and dilation have one or two numbers, got ", list);
  }
  for (size_t i = 0; i < 2; ++i) {
    const SymWindow w{weight.sym_size(2 + i), of(stride, i), of(padding, i), of(dilation, i)};
    TORCH_CHECK(w.stride >= 1 && w.pad >= 0 && w.dilation >= 1 && w.size >= 1, "[",
                kInt8Convolution, "] stride ", stride, ", padding ", padding, ", dilation ",
                dilation, " are no window");
    TORCH_CHECK(input.sym_size(2 + i) + w.pad * 2 >= w.dilation * (w.size - 1) + 1, "[",
                kInt8Convolution, "] input of shape ", input.sym_sizes(), " with padding ",
                padding, " is smaller than the filter's ", weight.sym_sizes());
    sizes.push_back(w.of(input.sym_size(2 + i)));
  }
  if (given(add)) {
    TORCH_CHECK(add->sym_sizes() == c10::SymIntArrayRef(sizes) && add->device() == input.device(),
                "[", kInt8Convolution, "] add must have the result's shape ",
                c10::SymIntArrayRef(sizes), " on ", input.device(), ", got ", add->sym_sizes(),
                " on ", add->device());
    TORCH_CHECK(is_byte(add->scalar_type()) == given(add_scale), "[", kInt8Convolution,
                "] add of uint8 or int8 has an add_scale, and floats have none, got ",
                add->scalar_type());
  }
  return sizes;
}

at::ScalarType output_type(const Tensor& input, const MaybeTensor& output_scale,
                           std::optional<at::ScalarType> out_dtype) {
  if (given(output_scale)) return out_dtype.value_or(at::kByte);
  if (out_dtype) return *out_dtype;
  return input.is_floating_point() ? input.scalar_type() : at::kFloat;
}

Tensor real_value(const Tensor& q, const MaybeTensor& scale, const MaybeTensor& zero) {
  const Tensor x = q.to(at::kFloat);
  return (given(zero) ? x.sub(*zero) : x).mul(*scale);
}

// As the kernel quantises floats, then as the integers stand for.
Tensor as_quantised(const Tensor& input, const Tensor& scale, const MaybeTensor& zero) {
  if (!input.is_floating_point()) return real_value(input, scale, zero);
  Tensor q = input.to(at::kFloat).mul(scale.reciprocal());
  if (given(zero)) q = q.add(*zero);
  return real_value(at::clamp(q.round(), 0, 255), scale, zero);
}

float scale_of(const MaybeTensor& t) { return given(t) ? *t->const_data_ptr<float>() : 1.f; }
int32_t zero_of(const MaybeTensor& t) { return given(t) ? *t->const_data_ptr<int32_t>() : 0; }

} // namespace

Tensor int8_convolution_meta(XPU_LITE_INT8_CONVOLUTION_ARGUMENTS) {
  const auto sizes = checked_sizes(XPU_LITE_INT8_CONVOLUTION_NAMES);
  return at::detail::empty_symint_meta(sizes, output_type(input, output_scale, out_dtype),
                                       std::nullopt, std::nullopt, std::nullopt,
                                       at::MemoryFormat::ChannelsLast);
}

Tensor int8_convolution_composed(XPU_LITE_INT8_CONVOLUTION_ARGUMENTS) {
  checked_sizes(XPU_LITE_INT8_CONVOLUTION_NAMES);
  const auto type = output_type(input, output_scale, out_dtype);
  const Tensor x = as_quantised(input, input_scale, input_zero);
  const Tensor w = weight.to(at::kFloat).mul(weight_scale.view({-1, 1, 1, 1}));
  const int64_t none[2] = {0, 0};
  Tensor y = at::convolution(x, w, given(bias) ? MaybeTensor(bias->to(at::kFloat)) : MaybeTensor(),
                             stride, padding, dilation, false, none, 1);
  const MaybeTensor added =
      !given(add) ? MaybeTensor()
                    : MaybeTensor(given(add_scale) ? real_value(*add, add_scale, add_zero)
                                                     : add->to(at::kFloat));
  const MaybeTensor nothing;
  y = apply_tail(std::move(y), {nothing, activation, added, true, nothing});
  if (given(output_scale)) {
    y = y.div(*output_scale).round();
    if (given(output_zero)) y = y.add(*output_zero);
    const bool is_signed = type == at::kChar;
    y = at::clamp(y, is_signed ? -128 : 0, is_signed ? 127 : 255);
  }
  return y.to(type).contiguous(at::MemoryFormat::ChannelsLast);
}

Tensor int8_convolution_host(XPU_LITE_INT8_CONVOLUTION_ARGUMENTS) {
  const auto sym_sizes = checked_sizes(XPU_LITE_INT8_CONVOLUTION_NAMES);
  const auto composed = [&] { return int8_convolution_composed(XPU_LITE_INT8_CONVOLUTION_NAMES); };
  const auto type = output_type(input, output_scale, out_dtype);
  const auto in_type = int8_operand<Int8Input>(input.scalar_type());
  const auto out_type = int8_operand<Int8Output>(type);
  bool here = in_type && out_type && is_host_operand(input) && weight.device() == input.device() &&
      (!given(add) || (is_host_operand(*add) && int8_operand<Int8Output>(add->scalar_type())));
  for (const Tensor* t : {&weight, &weight_scale, &input_scale}) here = here && is_host_operand(*t);
  for (const MaybeTensor* t : {&bias, &input_zero, &add_scale, &add_zero, &output_scale,
                               &output_zero}) {
    here = here && (!given(*t) || is_host_operand(**t));
  }
  here = here && (!given(bias) || gemm_type(bias->scalar_type()));
  if (!here) return composed();
  Stream& stream = stream_of(input);
  if (!stream.runs_inline()) return composed();

  const auto sizes = C10_AS_INTARRAYREF_SLOW(sym_sizes);
  Tensor out = at::detail::empty_generic(sizes, device_allocator(),
                                         c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), type,
                                         at::MemoryFormat::ChannelsLast);
  if (out.numel() == 0) return out;
  const conv::Int8Filter filter{weight.size(0), weight.size(1), weight.size(2), weight.size(3),
                                weight.const_data_ptr<int8_t>(),
                                {weight.stride(0), weight.stride(1), weight.stride(2),
                                 weight.stride(3)}};
  const auto packed = packed_by(weight, at::kChar, conv::int8_packed_bytes(filter),
                                [&](void* to) { conv::int8_pack(filter, to); },
                                {kInt8ConvolutionForm});
  // Both formats hold for one channel or one pixel: then either reading is right.
  const bool last = input.is_contiguous(at::MemoryFormat::ChannelsLast);
  const Tensor x = last || input.is_contiguous() ? input
                                                 : input.contiguous(at::MemoryFormat::ChannelsLast);
  const bool x_last = x.is_contiguous(at::MemoryFormat::ChannelsLast);
  const Tensor scales = weight_scale.contiguous();
  const auto of = [](at::IntArrayRef list, size_t i) { return list.size() == 1 ? list[0] : list[i]; };
  conv::Int8Convolution c{};
  c.batch = x.size(0), c.channels = x.size(1), c.height = x.size(2), c.width = x.size(3);
  c.out_channels = sizes[1], c.out_height = sizes[2], c.out_width = sizes[3];
  c.vertical = {filter.height, of(stride, 0), of(padding, 0), of(dilation, 0)};
  c.horizontal = {filter.width, of(stride, 1), of(padding, 1), of(dilation, 1)};
  c.input = x.const_data_ptr();
  c.input_layout = x_last ? conv::Layout::ChannelsLast : conv::Layout::ChannelsFirst;
  c.input_type = *in_type;
  c.input_scale = scale_of(input_scale), c.input_zero = zero_of(input_zero);
  c.packed = packed.get();
  c.weight_scale = scales.const_data_ptr<float>();
  c.output = out.mutable_data_ptr();
  c.output_type = *out_type;
  c.output_scale = scale_of(output_scale), c.output_zero = zero_of(output_zero);
  c.activation = activation_of(kInt8Convolution, activation);
  Tensor shift, added; // outlive the call
  if (given(bias)) {
    shift = bias->contiguous();
    c.bias = {shift.const_data_ptr(), *gemm_type(shift.scalar_type())};
  }
  if (given(add)) {
    added = add->contiguous(at::MemoryFormat::ChannelsLast);
    c.add = {added.const_data_ptr(), *int8_operand<Int8Output>(added.scalar_type()), scale_of(add_scale),
             zero_of(add_zero)};
  }
  note_route(1, kInt8Convolution);
  KernelSpan span(kInt8Convolution, stream);
  conv::int8_convolution(c);
  return out;
}

Tensor int8_convolution_autocast(XPU_LITE_INT8_CONVOLUTION_ARGUMENTS) {
  static const auto op = typed_operator<decltype(int8_convolution_host)>(kInt8Convolution);
  c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastPrivateUse1);
  std::optional<at::ScalarType> type = out_dtype;
  if (!type && !given(output_scale) && input.scalar_type() != at::kDouble) {
    // The input is quantised as it is; the result is of autocast's dtype, as convolution's.
    type = at::autocast::get_lower_precision_fp_from_device_type(c10::DeviceType::PrivateUse1);
  }
  return op.call(input, weight, weight_scale, bias, stride, padding, dilation, input_scale,
                 input_zero, activation, add, add_scale, add_zero, output_scale, output_zero, type);
}

} // namespace xpu_lite::aten
