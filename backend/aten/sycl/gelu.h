#pragma once

// torch's structured gelu calls its stub for the CPU whatever the device is.

#include <ATen/core/Tensor.h>
#include <ATen/ops/gelu_backward_meta.h>
#include <ATen/ops/gelu_meta.h>

namespace xpu_lite::aten::sycl {

struct structured_gelu : at::meta::structured_gelu {
  void impl(const at::Tensor& self, c10::string_view approximate, const at::Tensor& out);
};
struct structured_gelu_backward : at::meta::structured_gelu_backward {
  void impl(const at::Tensor& grad_output, const at::Tensor& self, c10::string_view approximate,
            const at::Tensor& grad_input);
};

} // namespace xpu_lite::aten::sycl
