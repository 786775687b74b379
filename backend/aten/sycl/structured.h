#pragma once

// What the generated wrappers of structured operators need (see
// codegen/generate_sycl.py): making outputs, checking and resizing given ones.

#include <array>
#include <functional>
#include <optional>
#include <tuple>

#include <ATen/core/Tensor.h>
#include <ATen/core/op_registration/adaption.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/TensorOptions.h>
#include <torch/library.h>

namespace xpu_lite::aten::sycl {

// A new output; contiguous, or in the memory format of `options`, if `strides` is empty.
at::Tensor create_out(at::IntArrayRef sizes, at::IntArrayRef strides,
                      const at::TensorOptions& options);

// An out= argument: checks its dtype and device, and gives it the sizes.
void resize_out(const at::Tensor& out, at::IntArrayRef sizes, at::IntArrayRef strides,
                const at::TensorOptions& options);

// An argument that is written in place: it cannot change dtype, device or sizes.
void check_inplace(const at::Tensor& self, at::IntArrayRef sizes,
                   const at::TensorOptions& options);

// Kernels that need exactly these strides write into a new tensor when `out` has
// others; the wrapper copies it over afterwards.
std::optional<at::Tensor> maybe_create_proxy(const at::Tensor& out, at::IntArrayRef sizes,
                                             at::IntArrayRef strides,
                                             const at::TensorOptions& options);

} // namespace xpu_lite::aten::sycl
