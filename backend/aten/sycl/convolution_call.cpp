#include "backend/aten/sycl/convolution_call.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sum.h>

#include "backend/aten/sycl/product.h"
#include "backend/aten/sycl/run.h"
#include "backend/aten/sycl/weight_forms.h"
#include "backend/xpu/ops/convolution.h"

namespace xpu_lite::aten::sycl {

namespace {

using at::Tensor;
using xpu::DType;
using xpu::onednn::Direction;
using xpu::onednn::View;

bool writes_output(const ConvolutionCall& c) { return c.direction == Direction::Forward; }
bool writes_input(const ConvolutionCall& c) { return c.direction == Direction::BackwardData; }
bool writes_weight(const ConvolutionCall& c) { return c.direction == Direction::BackwardWeights; }

View view(const Tensor& t, DType type, bool written) {
  View v;
  v.data = written ? t.mutable_data_ptr() : const_cast<void*>(t.const_data_ptr());
  v.type = type;
  v.rank = static_cast<int>(t.dim());
  for (int i = 0; i < v.rank; ++i) v.size[i] = t.size(i), v.stride[i] = t.stride(i);
  return v;
}

// oneDNN's right padding must not be below -stride (a large output_padding).
bool fits_onednn(const ConvolutionCall& c) {
  if (!c.transposed) return true;
  for (size_t i = 0; i < c.stride.size(); ++i) {
    const int64_t reach = (c.weight.size(2 + i) - 1) * c.dilation[i] + 1;
    const int64_t right =
        (c.input.size(2 + i) - 1) * c.stride[i] + reach - c.output.size(2 + i) - c.padding[i];
    if (right + c.stride[i] <= 0) return false;
  }
  return true;
}

void submit_onednn(xpu::onednn::Library& library, const ConvolutionCall& c, DType type) {
  xpu::onednn::Convolution call;
  call.spatial = static_cast<int>(c.stride.size());
  call.transposed = c.transposed;
  call.groups = c.groups;
  for (int i = 0; i < call.spatial; ++i) {
    call.stride[i] = c.stride[i], call.padding[i] = c.padding[i];
    call.dilation[i] = c.dilation[i];
  }
  call.src = view(c.input, type, writes_input(c));
  call.weight = view(c.weight, type, writes_weight(c));
  call.dst = view(c.output, type, writes_output(c));
  if (c.bias.defined()) call.bias = view(c.bias, type, writes_weight(c));
  run(c.op, c.input, [&](Stream& stream) {
    FormsOf forms(c.weight, stream);
    if (!writes_weight(c)) call.forms = &forms;
    library.convolution(stream, c.op, c.direction, call);
  });
}

// Three spatial dimensions, leading ones of size 1.
struct Spatial {
  int64_t value[3];
  Spatial(at::IntArrayRef given, int64_t missing) {
    const size_t lead = 3 - given.size();
    for (size_t i = 0; i < 3; ++i) value[i] = i < lead ? missing : given[i - lead];
  }
};
void copy(const Spatial& from, int64_t* to) { std::copy_n(from.value, 3, to); }

void strides(const Tensor& t, int64_t* to) {
  to[0] = t.stride(0), to[1] = t.stride(1);
  copy(Spatial(t.strides().slice(2), 0), to + 2);
}

void submit_own(const ConvolutionCall& c, DType type) {
  using xpu::ConvolutionPass;
  // A transposed convolution is the gradient of one whose roles of input and output
  // are exchanged.
  const Tensor& small = c.transposed ? c.output : c.input; // what the kernel calls "in"
  const Tensor& large = c.transposed ? c.input : c.output;
  xpu::ConvolutionArgs args{};
  ConvolutionPass pass = ConvolutionPass::BackwardWeight;
  if (!writes_weight(c)) {
    pass = writes_output(c) != c.transposed ? ConvolutionPass::Forward
                                            : ConvolutionPass::BackwardData;
  }
  auto address = [](const Tensor& t, bool written) {
    return written ? static_cast<const void*>(out(t)) : in(t);
  };
  args.in = address(small, pass == ConvolutionPass::BackwardData);
  args.out = address(large, pass == ConvolutionPass::Forward);
  args.weight = address(c.weight, writes_weight(c));
  args.result = const_cast<void*>(pass == ConvolutionPass::Forward        ? args.out
                                  : pass == ConvolutionPass::BackwardData ? args.in
                                                                          : args.weight);
  if (writes_output(c) && c.bias.defined()) args.bias = in(c.bias);
  args.batch = c.input.size(0), args.groups = c.groups;
  args.in_channels = small.size(1) / c.groups, args.out_channels = large.size(1) / c.groups;
  copy(Spatial(small.sizes().slice(2), 1), args.in_size);
  copy(Spatial(large.sizes().slice(2), 1), args.out_size);
  copy(Spatial(c.weight.sizes().slice(2), 1), args.kernel);
  copy(Spatial(c.stride, 1), args.stride);
  copy(Spatial(c.padding, 0), args.padding);
  copy(Spatial(c.dilation, 1), args.dilation);
  strides(small, args.in_stride), strides(large, args.out_stride);
  strides(c.weight, args.weight_stride);
  bool found = false;
  run(c.op, c.input, [&](Stream& stream) { found = xpu::convolution(stream, pass, type, args); });
  TORCH_CHECK_NOT_IMPLEMENTED(found, "\"", c.op, "\" not implemented for '",
                              c.input.scalar_type(), "'");
  if (writes_weight(c) && c.bias.defined()) {
    std::vector<int64_t> all_but_channels{0};
    for (int64_t i = 2; i < c.output.dim(); ++i) all_but_channels.push_back(i);
    Tensor bias = c.bias;
    at::sum_out(bias, c.output, all_but_channels);
  }
}

// The device lacks the type (half on many CPUs): float has all its values.
void submit_in_float(const ConvolutionCall& c) {
  ConvolutionCall wide = c;
  auto widen = [](const Tensor& t, bool written) {
    return written ? at::empty_like(t, t.options().dtype(at::kFloat)) : t.to(at::kFloat);
  };
  wide.input = widen(c.input, writes_input(c));
  wide.weight = widen(c.weight, writes_weight(c));
  wide.output = widen(c.output, writes_output(c));
  if (c.bias.defined()) wide.bias = widen(c.bias, writes_weight(c));
  submit(wide);
  auto narrow = [](Tensor to, const Tensor& from) { to.copy_(from); };
  if (writes_input(c)) narrow(c.input, wide.input);
  if (writes_weight(c)) narrow(c.weight, wide.weight);
  if (writes_weight(c) && c.bias.defined()) narrow(c.bias, wide.bias);
  if (writes_output(c)) narrow(c.output, wide.output);
}

} // namespace

void submit(const ConvolutionCall& c) {
  const at::ScalarType type = c.input.scalar_type();
  const DType dtype = dtype_of(c.op, type);
  if (at::isFloatingType(type) && fits_onednn(c)) {
    if (xpu::onednn::Library* library = onednn_library()) {
      const int device = c.input.device().index();
      if (library->convolution_supports(device, dtype)) return submit_onednn(*library, c, dtype);
      if (type != at::kDouble && library->convolution_supports(device, DType::F32)) {
        return submit_in_float(c);
      }
    }
  }
  submit_own(c, dtype);
}

} // namespace xpu_lite::aten::sycl
