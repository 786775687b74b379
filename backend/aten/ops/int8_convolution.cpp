#include "backend/aten/ops/int8_convolution.h"

#include <ATen/EmptyTensor.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/convolution.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/ops/linear_operands.h"
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

bool present(const MaybeTensor& tensor) { return tensor && tensor->defined(); }

bool is_byte(at::ScalarType type) { return type == at::kByte || type == at::kChar; }

std::optional<cpu::gemm::Activation> int8_activation(std::string_view name) {
  using cpu::gemm::Activation;
  for (auto a : {Activation::None, Activation::ReLU, Activation::GeluErf, Activation::GeluTanh,
                 Activation::SiLU}) {
    constexpr const char* kNames[] = {"none", "relu", "gelu", "gelu_tanh", "silu"};
    if (name == kNames[static_cast<int>(a)]) return a;
  }
  return std::nullopt;
}

void check_scalar(const char* which, const MaybeTensor& value, at::ScalarType type) {
  if (!present(value)) return;
  TORCH_CHECK(value->sym_numel() == 1 && value->scalar_type() == type, "[", kInt8Convolution, "] ",
              which, " must be one ", type, ", got ", value->sym_sizes(), " of ",
              value->scalar_type());
}

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
  TORCH_CHECK(weight_scale.dim() == 1 && weight_scale.sym_size(0) == n &&
                  weight_scale.scalar_type() == at::kFloat,
              "[", kInt8Convolution, "] weight_scale must be float32 of [", n, "], got ",
              weight_scale.scalar_type(), " of ", weight_scale.sym_sizes());
  TORCH_CHECK(input.dim() == 4 && input.sym_size(1) == weight.sym_size(1), "[", kInt8Convolution,
              "] input of shape ", input.sym_sizes(), " does not fit a weight of ",
              weight.sym_sizes());
  TORCH_CHECK(input.is_floating_point() || is_byte(input.scalar_type()), "[", kInt8Convolution,
              "] input must be of a floating-point dtype, uint8 or int8, got ",
              input.scalar_type());
  TORCH_CHECK(weight.sym_size(1) * weight.sym_size(2) * weight.sym_size(3) <= 65536, "[",
              kInt8Convolution, "] at most 65536 weights for an output, got a weight of ",
              weight.sym_sizes());
  TORCH_CHECK(int8_activation(activation).has_value(), "[", kInt8Convolution, "] activation must ",
              "be one of none, relu, gelu, gelu_tanh, silu, got '", std::string(activation), "'");
  check_scalar("input_scale", input_scale, at::kFloat);
  check_scalar("input_zero", input_zero, at::kInt);
  check_scalar("add_scale", add_scale, at::kFloat);
  check_scalar("add_zero", add_zero, at::kInt);
  check_scalar("output_scale", output_scale, at::kFloat);
  check_scalar("output_zero", output_zero, at::kInt);
  TORCH_CHECK(!present(output_zero) || present(output_scale), "[", kInt8Convolution,
              "] output_zero without output_scale");
  TORCH_CHECK(!out_dtype || (present(output_scale) ? is_byte(*out_dtype)
                                                   : at::isFloatingType(*out_dtype)),
              "[", kInt8Convolution, "] out_dtype ", *out_dtype,
              present(output_scale) ? " with output_scale must be uint8 or int8"
                                    : " needs output_scale");
  TORCH_CHECK(!present(bias) || (bias->dim() == 1 && bias->sym_size(0) == n &&
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
  if (present(add)) {
    TORCH_CHECK(add->sym_sizes() == c10::SymIntArrayRef(sizes) && add->device() == input.device(),
                "[", kInt8Convolution, "] add must have the result's shape ",
                c10::SymIntArrayRef(sizes), " on ", input.device(), ", got ", add->sym_sizes(),
                " on ", add->device());
    TORCH_CHECK(is_byte(add->scalar_type()) == present(add_scale), "[", kInt8Convolution,
                "] add of uint8 or int8 has an add_scale, and floats have none, got ",
                add->scalar_type());
  }
  return sizes;
}

at::ScalarType output_type(const Tensor& input, const MaybeTensor& output_scale,
                           std::optional<at::ScalarType> out_dtype) {
  if (present(output_scale)) return out_dtype.value_or(at::kByte);
  if (out_dtype) return *out_dtype;
  return input.is_floating_point() ? input.scalar_type() : at::kFloat;
}

Tensor real_value(const Tensor& q, const MaybeTensor& scale, const MaybeTensor& zero) {
  const Tensor x = q.to(at::kFloat);
  return (present(zero) ? x.sub(*zero) : x).mul(*scale);
}

// As the kernel quantises floats, then as the integers stand for.
Tensor as_quantised(const Tensor& input, const Tensor& scale, const MaybeTensor& zero) {
  if (!input.is_floating_point()) return real_value(input, scale, zero);
  Tensor q = input.to(at::kFloat).mul(scale.reciprocal());
  if (present(zero)) q = q.add(*zero);
  return real_value(at::clamp(q.round(), 0, 255), scale, zero);
}

std::optional<Int8Input> int8_input(at::ScalarType type) {
  switch (type) {
    case at::kByte: return Int8Input::U8;
    case at::kChar: return Int8Input::S8;
    case at::kFloat: return Int8Input::Float;
    case at::kBFloat16: return Int8Input::BFloat16;
    case at::kHalf: return Int8Input::Half;
    default: return std::nullopt;
  }
}

std::optional<Int8Output> int8_output(at::ScalarType type) {
  switch (type) {
    case at::kByte: return Int8Output::U8;
    case at::kChar: return Int8Output::S8;
    case at::kFloat: return Int8Output::Float;
    case at::kBFloat16: return Int8Output::BFloat16;
    case at::kHalf: return Int8Output::Half;
    default: return std::nullopt;
  }
}

float scale_of(const MaybeTensor& t) { return present(t) ? *t->const_data_ptr<float>() : 1.f; }
int32_t zero_of(const MaybeTensor& t) { return present(t) ? *t->const_data_ptr<int32_t>() : 0; }

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
  Tensor y = at::convolution(x, w, present(bias) ? MaybeTensor(bias->to(at::kFloat)) : MaybeTensor(),
                             stride, padding, dilation, false, none, 1);
  const MaybeTensor added =
      !present(add) ? MaybeTensor()
                    : MaybeTensor(present(add_scale) ? real_value(*add, add_scale, add_zero)
                                                     : add->to(at::kFloat));
  const MaybeTensor nothing;
  y = apply_tail(std::move(y), {nothing, activation, added, true, nothing});
  if (present(output_scale)) {
    y = y.div(*output_scale).round();
    if (present(output_zero)) y = y.add(*output_zero);
    const bool is_signed = type == at::kChar;
    y = at::clamp(y, is_signed ? -128 : 0, is_signed ? 127 : 255);
  }
  return y.to(type).contiguous(at::MemoryFormat::ChannelsLast);
}

Tensor int8_convolution_host(XPU_LITE_INT8_CONVOLUTION_ARGUMENTS) {
  const auto sym_sizes = checked_sizes(XPU_LITE_INT8_CONVOLUTION_NAMES);
  const auto composed = [&] { return int8_convolution_composed(XPU_LITE_INT8_CONVOLUTION_NAMES); };
  const auto type = output_type(input, output_scale, out_dtype);
  const auto in_type = int8_input(input.scalar_type());
  const auto out_type = int8_output(type);
  bool here = in_type && out_type && is_host_operand(input) && weight.device() == input.device() &&
      (!present(add) || (is_host_operand(*add) && int8_output(add->scalar_type())));
  for (const Tensor* t : {&weight, &weight_scale, &input_scale}) here = here && is_host_operand(*t);
  for (const MaybeTensor* t : {&bias, &input_zero, &add_scale, &add_zero, &output_scale,
                               &output_zero}) {
    here = here && (!present(*t) || is_host_operand(**t));
  }
  here = here && (!present(bias) || gemm_type(bias->scalar_type()));
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
  c.activation = *int8_activation(activation);
  Tensor shift, added; // outlive the call
  if (present(bias)) {
    shift = bias->contiguous();
    c.bias = {shift.const_data_ptr(), *gemm_type(shift.scalar_type())};
  }
  if (present(add)) {
    added = add->contiguous(at::MemoryFormat::ChannelsLast);
    c.add = {added.const_data_ptr(), *int8_output(added.scalar_type()), scale_of(add_scale),
             zero_of(add_zero)};
  }
  note_route(1, kInt8Convolution);
  KernelSpan span(kInt8Convolution, stream);
  conv::int8_convolution(c);
  return out;
}

Tensor int8_convolution_autocast(XPU_LITE_INT8_CONVOLUTION_ARGUMENTS) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow(kInt8Convolution, "")
                             .typed<decltype(int8_convolution_host)>();
  c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastPrivateUse1);
  std::optional<at::ScalarType> type = out_dtype;
  if (!type && !present(output_scale) && input.scalar_type() != at::kDouble) {
    // The input is quantised as it is; the result is of autocast's dtype, as convolution's.
    type = at::autocast::get_lower_precision_fp_from_device_type(c10::DeviceType::PrivateUse1);
  }
  return op.call(input, weight, weight_scale, bias, stride, padding, dilation, input_scale,
                 input_zero, activation, add, add_scale, add_zero, output_scale, output_zero, type);
}

} // namespace xpu_lite::aten
