#pragma once

// grid_sampler in two and three dimensions, and its gradients.

#include <array>
#include <tuple>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

at::Tensor grid_sampler_2d(const at::Tensor& input, const at::Tensor& grid, int64_t mode,
                           int64_t padding, bool align_corners);
at::Tensor grid_sampler_3d(const at::Tensor& input, const at::Tensor& grid, int64_t mode,
                           int64_t padding, bool align_corners);
std::tuple<at::Tensor, at::Tensor> grid_sampler_2d_backward(
    const at::Tensor& grad_output, const at::Tensor& input, const at::Tensor& grid, int64_t mode,
    int64_t padding, bool align_corners, std::array<bool, 2> output_mask);
std::tuple<at::Tensor, at::Tensor> grid_sampler_3d_backward(
    const at::Tensor& grad_output, const at::Tensor& input, const at::Tensor& grid, int64_t mode,
    int64_t padding, bool align_corners, std::array<bool, 2> output_mask);

} // namespace xpu_lite::aten::sycl
