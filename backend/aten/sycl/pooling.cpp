#include "backend/aten/sycl/pooling.h"

#include "backend/aten/sycl/layout.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/pool.h"

namespace xpu_lite::aten::sycl {

namespace {

at::MemoryFormat format_of(const Tensor& input, int dims) {
  return input.dim() == dims + 2 ? input.suggest_memory_format() : at::MemoryFormat::Contiguous;
}

int64_t entry(IntArrayRef values, int d, int64_t otherwise) {
  return values.empty() ? otherwise : values[values.size() == 1 ? 0 : d];
}

xpu::PoolShape pool_shape(const Pooling& p, const Tensor& input, const Tensor& output,
                        at::MemoryFormat format) {
  xpu::PoolShape shape{};
  shape.batch = input.dim() == p.dims + 2 ? input.size(0) : 1;
  shape.channels = input.size(-p.dims - 1);
  shape.channels_last = format != at::MemoryFormat::Contiguous;
  for (int d = 0; d < 3; ++d) {
    const int spatial = d - (3 - p.dims);
    xpu::PoolAxis& axis = shape.axes[d];
    axis = {1, 1, 1, 1, 0, 1};
    if (spatial < 0) continue;
    axis.in = input.size(spatial - p.dims);
    axis.out = output.size(spatial - p.dims);
    if (p.adaptive) continue;
    axis.kernel = entry(p.kernel, spatial, 1);
    axis.stride = entry(p.stride, spatial, axis.kernel);
    axis.padding = entry(p.padding, spatial, 0);
    axis.dilation = entry(p.dilation, spatial, 1);
  }
  return shape;
}

xpu::DType type_of(const Pooling& p, const Tensor& t, bool integers) {
  const at::ScalarType type = t.scalar_type();
  const bool floating = type == at::kFloat || type == at::kDouble || type == at::kHalf ||
                        type == at::kBFloat16;
  const bool ok = floating || (integers && !p.backward && at::isIntegralType(type, false) &&
                               type != at::kUInt16 && type != at::kUInt32 && type != at::kUInt64);
  TORCH_CHECK_NOT_IMPLEMENTED(ok, '"', p.op, "\" not implemented for '", type, "'");
  return dtype_of(p.op, type);
}

} // namespace

void max_forward(const Pooling& p, const Tensor& input, const Tensor& output,
                 const Tensor& indices) {
  const xpu::DType type = type_of(p, input, /*integers=*/!p.adaptive);
  const at::MemoryFormat format = format_of(input, p.dims);
  const Tensor source = input.contiguous(format);
  const Written values(output, format), places(indices, format);
  const xpu::PoolShape shape = pool_shape(p, input, output, format);
  run(p.op, input, [&](Stream& stream) {
    xpu::max_pool(stream, p.adaptive, false, type, out(values.get()), in(source),
                  static_cast<int64_t*>(out(places.get())), shape);
  });
  values.finish();
  places.finish();
}

void max_backward(const Pooling& p, const Tensor& input, const Tensor& grad_output,
                  const Tensor& indices, const Tensor& grad_input) {
  const xpu::DType type = type_of(p, grad_output, false);
  const at::MemoryFormat format = format_of(input, p.dims);
  const Tensor grad = grad_output.contiguous(format), places = indices.contiguous(format);
  const Written result(grad_input, format);
  const xpu::PoolShape shape = pool_shape(p, input, grad_output, format);
  run(p.op, input, [&](Stream& stream) {
    xpu::max_pool(stream, p.adaptive, true, type, out(result.get()), in(grad),
                  const_cast<int64_t*>(static_cast<const int64_t*>(in(places))), shape);
  });
  result.finish();
}

void avg_forward(const Pooling& p, const Tensor& input, const Tensor& output) {
  const bool integers = !p.adaptive && input.scalar_type() == at::kLong;
  const xpu::DType type = type_of(p, input, integers);
  const at::MemoryFormat format = format_of(input, p.dims);
  const Tensor source = input.contiguous(format);
  const Written result(output, format);
  const xpu::PoolShape shape = pool_shape(p, input, output, format);
  run(p.op, input, [&](Stream& stream) {
    xpu::avg_pool(stream, p.adaptive, false, type, out(result.get()), in(source), shape,
                  p.divisor, p.count_padding);
  });
  result.finish();
}

void avg_backward(const Pooling& p, const Tensor& input, const Tensor& grad_output,
                  const Tensor& grad_input) {
  const bool integers = !p.adaptive && grad_output.scalar_type() == at::kLong;
  const xpu::DType type = integers ? xpu::DType::I64 : type_of(p, grad_output, false);
  const at::MemoryFormat format = format_of(input, p.dims);
  const Tensor grad = grad_output.contiguous(format);
  const Written result(grad_input, format);
  const xpu::PoolShape shape = pool_shape(p, input, grad_output, format);
  run(p.op, input, [&](Stream& stream) {
    xpu::avg_pool(stream, p.adaptive, true, type, out(result.get()), in(grad), shape, p.divisor,
                  p.count_padding);
  });
  result.finish();
}

void structured_max_pool2d::impl(const Tensor& self, IntArrayRef kernel, IntArrayRef stride,
                                 IntArrayRef padding, IntArrayRef dilation, bool,
                                 const Tensor& out, const Tensor& indices) {
  max_forward({"max_pool2d", 2, false, false, kernel, stride, padding, dilation}, self, out,
              indices);
}

void structured_max_pool2d_backward::impl(const Tensor& grad_output, const Tensor& self,
                                          IntArrayRef kernel, IntArrayRef stride,
                                          IntArrayRef padding, IntArrayRef dilation, bool,
                                          const Tensor& indices, const Tensor& grad_input) {
  max_backward({"max_pool2d_backward", 2, false, true, kernel, stride, padding, dilation}, self,
               grad_output, indices, grad_input);
}

void structured_avg_pool2d::impl(const Tensor& self, int64_t kH, int64_t kW, int64_t dH,
                                 int64_t dW, int64_t padH, int64_t padW, bool,
                                 bool count_include_pad, std::optional<int64_t> divisor_override,
                                 const Tensor& out) {
  const std::array<int64_t, 2> kernel{kH, kW}, stride{dH, dW}, padding{padH, padW};
  avg_forward({"avg_pool2d", 2, false, false, kernel, stride, padding, {},
               divisor_override.value_or(0), count_include_pad},
              self, out);
}

void structured_avg_pool2d_backward::impl(const Tensor& grad_output, const Tensor& self,
                                          IntArrayRef kernel, IntArrayRef stride,
                                          IntArrayRef padding, bool, bool count_include_pad,
                                          std::optional<int64_t> divisor_override,
                                          const Tensor& grad_input) {
  avg_backward({"avg_pool2d_backward", 2, false, true, kernel, stride, padding, {},
                divisor_override.value_or(0), count_include_pad},
               self, grad_output, grad_input);
}

void structured_avg_pool3d::impl(const Tensor& self, IntArrayRef kernel, IntArrayRef stride,
                                 IntArrayRef padding, bool, bool count_include_pad,
                                 std::optional<int64_t> divisor_override, const Tensor& out) {
  avg_forward({"avg_pool3d", 3, false, false, kernel, stride, padding, {},
               divisor_override.value_or(0), count_include_pad},
              self, out);
}

void structured_avg_pool3d_backward::impl(const Tensor& grad_output, const Tensor& self,
                                          IntArrayRef kernel, IntArrayRef stride,
                                          IntArrayRef padding, bool, bool count_include_pad,
                                          std::optional<int64_t> divisor_override,
                                          const Tensor& grad_input) {
  avg_backward({"avg_pool3d_backward", 3, false, true, kernel, stride, padding, {},
                divisor_override.value_or(0), count_include_pad},
               self, grad_output, grad_input);
}

void structured_adaptive_max_pool2d::impl(const Tensor& self, IntArrayRef, const Tensor& out,
                                          const Tensor& indices) {
  max_forward({"adaptive_max_pool2d", 2, true, false}, self, out, indices);
}

void structured_adaptive_max_pool2d_backward::impl(const Tensor& grad_output,
                                                   const Tensor& self, const Tensor& indices,
                                                   const Tensor& grad_input) {
  max_backward({"adaptive_max_pool2d_backward", 2, true, true}, self, grad_output, indices,
               grad_input);
}

void structured_adaptive_max_pool3d::impl(const Tensor& self, IntArrayRef, const Tensor& out,
                                          const Tensor& indices) {
  max_forward({"adaptive_max_pool3d", 3, true, false}, self, out, indices);
}

void structured_adaptive_max_pool3d_backward::impl(const Tensor& grad_output,
                                                   const Tensor& self, const Tensor& indices,
                                                   const Tensor& grad_input) {
  max_backward({"adaptive_max_pool3d_backward", 3, true, true}, self, grad_output, indices,
               grad_input);
}

} // namespace xpu_lite::aten::sycl
