#pragma once

// Reflection and replication padding, forward and backward.

#include <ATen/core/Tensor.h>
#include <ATen/ops/reflection_pad1d_backward_meta.h>
#include <ATen/ops/reflection_pad1d_meta.h>
#include <ATen/ops/reflection_pad3d_backward_meta.h>
#include <ATen/ops/reflection_pad3d_meta.h>
#include <ATen/ops/replication_pad1d_backward_meta.h>
#include <ATen/ops/replication_pad1d_meta.h>
#include <ATen/ops/replication_pad2d_meta.h>
#include <ATen/ops/replication_pad3d_meta.h>

namespace xpu_lite::aten::sycl {

#define XPU_SYCL_PAD(name)                                                     \
  struct structured_##name : at::meta::structured_##name {                     \
    void impl(const at::Tensor& self, at::IntArrayRef padding, const at::Tensor& out); \
  };
#define XPU_SYCL_PAD_BACKWARD(name)                                            \
  struct structured_##name : at::meta::structured_##name {                     \
    void impl(const at::Tensor& grad_output, const at::Tensor& self, at::IntArrayRef padding, \
              const at::Tensor& grad_input);                                   \
  };
XPU_SYCL_PAD(reflection_pad1d)
XPU_SYCL_PAD(reflection_pad3d)
XPU_SYCL_PAD(replication_pad1d)
XPU_SYCL_PAD(replication_pad2d)
XPU_SYCL_PAD(replication_pad3d)
XPU_SYCL_PAD_BACKWARD(reflection_pad1d_backward)
XPU_SYCL_PAD_BACKWARD(reflection_pad3d_backward)
XPU_SYCL_PAD_BACKWARD(replication_pad1d_backward)
#undef XPU_SYCL_PAD
#undef XPU_SYCL_PAD_BACKWARD

at::Tensor reflection_pad2d(const at::Tensor& self, at::IntArrayRef padding);
at::Tensor& reflection_pad2d_out(const at::Tensor& self, at::IntArrayRef padding,
                                 at::Tensor& out);
at::Tensor reflection_pad2d_backward(const at::Tensor& grad, const at::Tensor& self,
                                     at::IntArrayRef padding);
at::Tensor& reflection_pad2d_backward_out(const at::Tensor& grad, const at::Tensor& self,
                                          at::IntArrayRef padding, at::Tensor& grad_input);
at::Tensor replication_pad2d_backward(const at::Tensor& grad, const at::Tensor& self,
                                      at::IntArrayRef padding);
at::Tensor& replication_pad2d_backward_out(const at::Tensor& grad, const at::Tensor& self,
                                           at::IntArrayRef padding, at::Tensor& grad_input);
at::Tensor replication_pad3d_backward(const at::Tensor& grad, const at::Tensor& self,
                                      at::IntArrayRef padding);
at::Tensor& replication_pad3d_backward_out(const at::Tensor& grad, const at::Tensor& self,
                                           at::IntArrayRef padding, at::Tensor& grad_input);

} // namespace xpu_lite::aten::sycl
