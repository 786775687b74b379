#include "backend/aten/sycl/grid_sample.h"

#include <ATen/Context.h>
#include <ATen/native/GridSamplerUtils.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/grid_sample.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::Tensor;

// The names in "not implemented for" are those of torch's CPU kernels.
xpu::DType grid_sample_type(const char* dispatch, const Tensor& input) {
  const at::ScalarType type = input.scalar_type();
  TORCH_CHECK_NOT_IMPLEMENTED(type == at::kFloat || type == at::kDouble || type == at::kHalf ||
                                  type == at::kBFloat16,
                              '"', dispatch, "\" not implemented for '", type, "'");
  return dtype_of(dispatch, type);
}

xpu::GridSampleArgs grid_sample_args(const Tensor& input, const Tensor& grid, int dims,
                                     int64_t mode, int64_t padding, bool align_corners) {
  at::native::check_grid_sampler_common(input, grid);
  if (dims == 2) at::native::check_grid_sampler_2d(input, grid);
  else at::native::check_grid_sampler_3d(input, grid, mode);
  xpu::GridSampleArgs args{};
  args.batch = input.size(0), args.channels = input.size(1);
  for (int d = 0; d < 3; ++d) {
    const int spatial = d - (3 - dims);
    args.in[d] = spatial < 0 ? 1 : input.size(2 + spatial);
    args.size[d] = spatial < 0 ? 1 : grid.size(1 + spatial);
  }
  args.dims = dims;
  args.mode = static_cast<xpu::GridMode>(mode);
  args.padding = static_cast<xpu::GridPadding>(padding);
  args.align_corners = align_corners;
  return args;
}

Tensor grid_sample_forward(const char* op, const char* dispatch, int dims, const Tensor& input,
                           const Tensor& grid, int64_t mode, int64_t padding,
                           bool align_corners) {
  xpu::GridSampleArgs args = grid_sample_args(input, grid, dims, mode, padding, align_corners);
  at::DimVector sizes(input.sizes());
  for (int d = 0; d < dims; ++d) sizes[2 + d] = grid.size(1 + d);
  const Tensor result = at::empty(sizes, input.options());
  if (result.numel() == 0) return result;
  const xpu::DType type = grid_sample_type(dispatch, input);
  const Tensor images = input.contiguous(), places = grid.contiguous();
  args.input = in(images), args.grid = in(places), args.out = out(result);
  run(op, input, [&](Stream& stream) { xpu::grid_sample(stream, type, args); });
  return result;
}

std::tuple<Tensor, Tensor> grid_sample_gradients(const char* op, const char* dispatch, int dims,
                                                 const Tensor& grad_output, const Tensor& input,
                                                 const Tensor& grid, int64_t mode,
                                                 int64_t padding, bool align_corners,
                                                 std::array<bool, 2> output_mask) {
  xpu::GridSampleArgs args = grid_sample_args(input, grid, dims, mode, padding, align_corners);
  const xpu::DType type = grid_sample_type(dispatch, input);
  const at::ScalarType sum = input.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor images = input.contiguous(), places = grid.contiguous(),
               grad = grad_output.contiguous();
  Tensor grad_input, grad_grid;
  // Nearest elements do not move with the grid: their gradient is zero.
  if (output_mask[0]) grad_input = at::zeros(input.sizes(), input.options().dtype(sum));
  if (output_mask[1]) grad_grid = at::zeros(grid.sizes(), grid.options());
  if (grad.numel() != 0) {
    args.input = in(images), args.grid = in(places), args.grad_out = in(grad);
    if (output_mask[0]) args.grad_input = out(grad_input);
    if (output_mask[1] && args.mode != xpu::GridMode::Nearest) args.grad_grid = out(grad_grid);
    const bool same_each_time = at::globalContext().deterministicAlgorithms();
    run(op, input, [&](Stream& stream) {
      xpu::grid_sample_backward(stream, type, args, same_each_time);
    });
  }
  if (output_mask[0]) grad_input = grad_input.to(input.scalar_type());
  return {grad_input, grad_grid};
}

} // namespace

Tensor grid_sampler_2d(const Tensor& input, const Tensor& grid, int64_t mode, int64_t padding,
                       bool align_corners) {
  return grid_sample_forward("grid_sampler_2d", "grid_sampler_2d_cpu_kernel_impl", 2, input, grid,
                             mode, padding, align_corners);
}

Tensor grid_sampler_3d(const Tensor& input, const Tensor& grid, int64_t mode, int64_t padding,
                       bool align_corners) {
  return grid_sample_forward("grid_sampler_3d", "grid_sampler3d_cpu", 3, input, grid, mode,
                             padding, align_corners);
}

std::tuple<Tensor, Tensor> grid_sampler_2d_backward(const Tensor& grad_output,
                                                    const Tensor& input, const Tensor& grid,
                                                    int64_t mode, int64_t padding,
                                                    bool align_corners,
                                                    std::array<bool, 2> output_mask) {
  return grid_sample_gradients("grid_sampler_2d_backward",
                               "grid_sampler_2d_backward_cpu_kernel_impl", 2, grad_output, input,
                               grid, mode, padding, align_corners, output_mask);
}

std::tuple<Tensor, Tensor> grid_sampler_3d_backward(const Tensor& grad_output,
                                                    const Tensor& input, const Tensor& grid,
                                                    int64_t mode, int64_t padding,
                                                    bool align_corners,
                                                    std::array<bool, 2> output_mask) {
  return grid_sample_gradients("grid_sampler_3d_backward", "grid_sampler_3d_backward_cpu", 3,
                               grad_output, input, grid, mode, padding, align_corners,
                               output_mask);
}

} // namespace xpu_lite::aten::sycl
