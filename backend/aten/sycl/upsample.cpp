#include "backend/aten/sycl/upsample.h"

#include <ATen/ops/empty.h>

#include "backend/aten/core/fallback.h"
#include "backend/aten/sycl/layout.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/upsample.h"

namespace xpu_lite::aten::sycl {

namespace {

using xpu::Resample;
using xpu::Resampling;

at::MemoryFormat format_of(const Tensor& t) {
  return t.dim() >= 4 ? t.suggest_memory_format() : at::MemoryFormat::Contiguous;
}

xpu::PoolShape shape_of(int dims, Sizes input, Sizes output, at::MemoryFormat format) {
  xpu::PoolShape shape{};
  shape.batch = input[0];
  shape.channels = input[1];
  shape.channels_last = format != at::MemoryFormat::Contiguous;
  for (int d = 0; d < 3; ++d) {
    const int spatial = d - (3 - dims);
    shape.axes[d] = {1, 1, 1, 1, 0, 1};
    if (spatial < 0) continue;
    shape.axes[d].in = input[2 + spatial];
    shape.axes[d].out = output[spatial];
  }
  return shape;
}

bool is_nearest(Resample mode) {
  return mode == Resample::Nearest || mode == Resample::NearestExact;
}

xpu::DType resampled_type(const char* op, const Tensor& t, bool bytes) {
  const at::ScalarType type = t.scalar_type();
  TORCH_CHECK_NOT_IMPLEMENTED(type == at::kFloat || type == at::kDouble || type == at::kHalf ||
                                  type == at::kBFloat16 || (bytes && type == at::kByte),
                              '"', op, "\" not implemented for '", type, "'");
  return dtype_of(op, type);
}

Tensor tables_for(const Resampling& how, xpu::DType type, const xpu::PoolShape& shape,
                  const Tensor& any) {
  return at::empty({static_cast<int64_t>(xpu::resample_bytes(how, type, shape))},
                   any.options().dtype(at::kByte).memory_format(std::nullopt));
}

// The CPU weighs bytes in fixed-point numbers: only its own kernel gives the same.
void forward_bytes(const char* op, const Resampling& how, const Tensor& self,
                   Sizes output_size, const Tensor& output) {
  const bool smooth =
      how.mode == Resample::LinearSmooth || how.mode == Resample::CubicSmooth;
  const std::string name = std::string(smooth ? "aten::_" : "aten::") + op;
  const auto handle = c10::Dispatcher::singleton().findSchemaOrThrow(name.c_str(), "");
  count_fallback(handle);
  torch::jit::Stack stack{self, output_size.vec(), how.align_corners};
  for (int d = 3 - how.dims; d < 3; ++d) {
    stack.push_back(how.scales[d] > 0 ? c10::IValue(how.scales[d]) : c10::IValue());
  }
  run_boxed_on_cpu(handle, &stack);
  output.copy_(stack.back().toTensor());
}

void forward(const char* op, const Resampling& how, const Tensor& self, Sizes output_size,
             const Tensor& output) {
  const xpu::DType type = resampled_type(op, self, true);
  if (type == xpu::DType::U8 && !is_nearest(how.mode)) {
    return forward_bytes(op, how, self, output_size, output);
  }
  const at::MemoryFormat format = format_of(self);
  const Tensor source = self.contiguous(format);
  const Written result(output, format);
  const xpu::PoolShape shape = shape_of(how.dims, self.sizes(), output_size, format);
  const Tensor tables = tables_for(how, type, shape, self);
  run(op, self, [&](Stream& stream) {
    xpu::resample(stream, how, type, out(result.get()), in(source), shape, out(tables));
  });
  result.finish();
}

void backward(const char* op, const Resampling& how, const Tensor& grad_output,
              Sizes output_size, Sizes input_size, const Tensor& grad_input) {
  const xpu::DType type = resampled_type(op, grad_output, false);
  const at::MemoryFormat format = format_of(grad_output);
  const Tensor grad = grad_output.contiguous(format);
  const Written result(grad_input, format);
  const xpu::PoolShape shape = shape_of(how.dims, input_size, output_size, format);
  const Tensor tables = tables_for(how, type, shape, grad);
  run(op, grad, [&](Stream& stream) {
    xpu::resample_backward(stream, how, type, out(result.get()), in(grad), shape, out(tables));
  });
  result.finish();
}

std::array<double, 3> scales(Scale w) { return {0, 0, w.value_or(0)}; }
std::array<double, 3> scales(Scale h, Scale w) { return {0, h.value_or(0), w.value_or(0)}; }
std::array<double, 3> scales(Scale d, Scale h, Scale w) {
  return {d.value_or(0), h.value_or(0), w.value_or(0)};
}

} // namespace

// NAME, its dimensions and mode; SCALES as declared, GIVEN their names.
#define XPU_SYCL_UPSAMPLE(NAME, DIMS, MODE, ALIGN, ALIGNED, SCALES, GIVEN)                  \
  void structured_##NAME::impl(const Tensor& self, Sizes output_size, ALIGN SCALES,         \
                               const Tensor& out) {                                         \
    forward(#NAME, {Resample::MODE, ALIGNED, scales GIVEN, DIMS}, self, output_size, out);  \
  }                                                                                         \
  void structured_##NAME##_backward::impl(const Tensor& grad_output, Sizes output_size,     \
                                          Sizes input_size, ALIGN SCALES,                   \
                                          const Tensor& grad_input) {                       \
    backward(#NAME "_backward", {Resample::MODE, ALIGNED, scales GIVEN, DIMS}, grad_output, \
             output_size, input_size, grad_input);                                          \
  }
#define XPU_SYCL_1D Scale w
#define XPU_SYCL_2D Scale h, Scale w
#define XPU_SYCL_3D Scale d, Scale h, Scale w
XPU_SYCL_UPSAMPLE(upsample_nearest1d, 1, Nearest, XPU_SYCL_NO_ALIGN, false, XPU_SYCL_1D, (w))
XPU_SYCL_UPSAMPLE(upsample_nearest_exact1d, 1, NearestExact, XPU_SYCL_NO_ALIGN, false, XPU_SYCL_1D, (w))
XPU_SYCL_UPSAMPLE(upsample_linear1d, 1, Linear, XPU_SYCL_ALIGN, align_corners, XPU_SYCL_1D, (w))
XPU_SYCL_UPSAMPLE(upsample_nearest2d, 2, Nearest, XPU_SYCL_NO_ALIGN, false, XPU_SYCL_2D, (h, w))
XPU_SYCL_UPSAMPLE(upsample_nearest_exact2d, 2, NearestExact, XPU_SYCL_NO_ALIGN, false, XPU_SYCL_2D, (h, w))
XPU_SYCL_UPSAMPLE(upsample_bilinear2d, 2, Linear, XPU_SYCL_ALIGN, align_corners, XPU_SYCL_2D, (h, w))
XPU_SYCL_UPSAMPLE(upsample_bicubic2d, 2, Cubic, XPU_SYCL_ALIGN, align_corners, XPU_SYCL_2D, (h, w))
XPU_SYCL_UPSAMPLE(upsample_bilinear2d_aa, 2, LinearSmooth, XPU_SYCL_ALIGN, align_corners, XPU_SYCL_2D, (h, w))
XPU_SYCL_UPSAMPLE(upsample_bicubic2d_aa, 2, CubicSmooth, XPU_SYCL_ALIGN, align_corners, XPU_SYCL_2D, (h, w))
XPU_SYCL_UPSAMPLE(upsample_nearest3d, 3, Nearest, XPU_SYCL_NO_ALIGN, false, XPU_SYCL_3D, (d, h, w))
XPU_SYCL_UPSAMPLE(upsample_nearest_exact3d, 3, NearestExact, XPU_SYCL_NO_ALIGN, false, XPU_SYCL_3D, (d, h, w))
XPU_SYCL_UPSAMPLE(upsample_trilinear3d, 3, Linear, XPU_SYCL_ALIGN, align_corners, XPU_SYCL_3D, (d, h, w))

} // namespace xpu_lite::aten::sycl
