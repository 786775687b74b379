#include "backend/aten/sycl/window.h"

#include <ATen/div_rtn.h>
#include <ATen/native/Resize.h>
#include <ATen/native/im2col_shape_check.h>
#include <ATen/ops/empty.h>

#include "backend/aten/sycl/refuse.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/window.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::Tensor;

void check_pairs(const char* op, at::IntArrayRef kernel, at::IntArrayRef dilation,
                 at::IntArrayRef padding, at::IntArrayRef stride) {
  TORCH_CHECK(kernel.size() == 2, "It is expected kernel_size equals to 2, but got size ",
              kernel.size());
  TORCH_CHECK(dilation.size() == 2, "It is expected dilation equals to 2, but got size ",
              dilation.size());
  TORCH_CHECK(padding.size() == 2, "It is expected padding equals to 2, but got size ",
              padding.size());
  TORCH_CHECK(stride.size() == 2, "It is expected stride equals to 2, but got size ",
              stride.size(), " for ", op);
}

xpu::WindowArgs geometry(int64_t batch, int64_t channels, int64_t height, int64_t width,
                         at::IntArrayRef kernel, at::IntArrayRef dilation,
                         at::IntArrayRef padding, at::IntArrayRef stride) {
  xpu::WindowArgs args{};
  args.batch = batch;
  args.channels = channels;
  args.height = height;
  args.width = width;
  args.kernel_h = kernel[0], args.kernel_w = kernel[1];
  args.dilation_h = dilation[0], args.dilation_w = dilation[1];
  args.pad_h = padding[0], args.pad_w = padding[1];
  args.stride_h = stride[0], args.stride_w = stride[1];
  args.rows = (height + 2 * padding[0] - (dilation[0] * (kernel[0] - 1) + 1)) / stride[0] + 1;
  args.cols = (width + 2 * padding[1] - (dilation[1] * (kernel[1] - 1) + 1)) / stride[1] + 1;
  return args;
}

} // namespace

Tensor& im2col_out(const Tensor& self, at::IntArrayRef kernel, at::IntArrayRef dilation,
                   at::IntArrayRef padding, at::IntArrayRef stride, Tensor& result) {
  check_pairs("im2col", kernel, dilation, padding, stride);
  at::native::im2col_shape_check(self, Tensor(), kernel[0], kernel[1], dilation[0], dilation[1],
                                 padding[0], padding[1], stride[0], stride[1]);
  const bool batched = self.dim() == 4;
  const Tensor images = (batched ? self : self.unsqueeze(0)).contiguous();
  xpu::WindowArgs args = geometry(images.size(0), images.size(1), images.size(2), images.size(3),
                                  kernel, dilation, padding, stride);
  at::DimVector sizes{args.channels * args.kernel_h * args.kernel_w, args.rows * args.cols};
  if (batched) sizes.insert(sizes.begin(), args.batch);
  at::native::resize_output(result, sizes);
  refuse_integers("im2col", self.scalar_type());
  if (result.numel() == 0) return result;
  const Tensor dense =
      result.is_contiguous() ? result : at::empty(sizes, result.options());
  args.in = in(images);
  args.out = out(dense);
  run("im2col", self, [&](Stream& stream) { xpu::im2col(stream, self.element_size(), args); });
  if (!dense.is_same(result)) result.copy_(dense);
  return result;
}

Tensor im2col(const Tensor& self, at::IntArrayRef kernel, at::IntArrayRef dilation,
              at::IntArrayRef padding, at::IntArrayRef stride) {
  Tensor result = at::empty({0}, self.options());
  return im2col_out(self, kernel, dilation, padding, stride, result);
}

Tensor& col2im_out(const Tensor& self, at::IntArrayRef output_size, at::IntArrayRef kernel,
                   at::IntArrayRef dilation, at::IntArrayRef padding, at::IntArrayRef stride,
                   Tensor& result) {
  TORCH_CHECK(output_size.size() == 2, "It is expected output_size equals to 2, but got size ",
              output_size.size());
  check_pairs("col2im", kernel, dilation, padding, stride);
  at::native::col2im_shape_check(self, Tensor(), output_size[0], output_size[1], kernel[0],
                                 kernel[1], dilation[0], dilation[1], padding[0], padding[1],
                                 stride[0], stride[1]);
  const bool batched = self.dim() == 3;
  const Tensor columns = (batched ? self : self.unsqueeze(0)).contiguous();
  xpu::WindowArgs args =
      geometry(columns.size(0), columns.size(1) / (kernel[0] * kernel[1]), output_size[0],
               output_size[1], kernel, dilation, padding, stride);
  at::DimVector sizes{args.channels, args.height, args.width};
  if (batched) sizes.insert(sizes.begin(), args.batch);
  at::native::resize_output(result, sizes);
  refuse_integers("col2im", self.scalar_type());
  if (result.numel() == 0) return result;
  const Tensor dense =
      result.is_contiguous() ? result : at::empty(sizes, result.options());
  args.in = in(columns);
  args.out = out(dense);
  run("col2im", self, [&](Stream& stream) {
    xpu::col2im(stream, dtype_of("col2im", self.scalar_type()), args);
  });
  if (!dense.is_same(result)) result.copy_(dense);
  return result;
}

Tensor col2im(const Tensor& self, at::IntArrayRef output_size, at::IntArrayRef kernel,
              at::IntArrayRef dilation, at::IntArrayRef padding, at::IntArrayRef stride) {
  Tensor result = at::empty({0}, self.options());
  return col2im_out(self, output_size, kernel, dilation, padding, stride, result);
}

} // namespace xpu_lite::aten::sycl
