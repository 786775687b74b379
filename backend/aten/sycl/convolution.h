#pragma once

// What torch's convolution calls on a device it does not know: every convolution of
// the SYCL engine, of 2 or 3 spatial dimensions (torch makes 1 into 2).

#include <array>
#include <optional>
#include <tuple>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

at::Tensor convolution(const at::Tensor& input, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
                       at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_padding, int64_t groups);

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor& grad_output, const at::Tensor& input, const at::Tensor& weight,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
    at::IntArrayRef output_padding, int64_t groups, std::array<bool, 3> output_mask);

} // namespace xpu_lite::aten::sycl
