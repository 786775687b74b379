#pragma once

// Max, average and adaptive pooling in two and three dimensions; one dimension is
// torch's own reshaping of two.

#include <array>
#include <tuple>

#include <ATen/core/Tensor.h>
#include <ATen/ops/adaptive_max_pool2d_backward_native.h>
#include <ATen/ops/adaptive_max_pool2d_native.h>
#include <ATen/ops/adaptive_max_pool3d_backward_native.h>
#include <ATen/ops/adaptive_max_pool3d_native.h>
#include <ATen/ops/avg_pool2d_backward_native.h>
#include <ATen/ops/avg_pool2d_native.h>
#include <ATen/ops/avg_pool3d_backward_native.h>
#include <ATen/ops/avg_pool3d_native.h>
#include <ATen/ops/max_pool2d_with_indices_backward_native.h>
#include <ATen/ops/max_pool2d_with_indices_native.h>

#include "backend/xpu/kernels/pool_args.h"

namespace xpu_lite::aten::sycl {

using at::IntArrayRef;
using at::Tensor;

// What a pooling over `dims` spatial dimensions runs on.
struct Pooling {
  const char* op;
  int dims;
  bool adaptive, backward;
  // Of each spatial dimension; one entry stands for all. Empty stride: the kernel.
  IntArrayRef kernel = {}, stride = {}, padding = {}, dilation = {};
  int64_t divisor = 0;
  bool count_padding = true;
};

// `input`: a tensor with the input's sizes and layout. Forward writes `out` and, for
// max pooling, `indices`; backward writes `grad_input` from `grad_output`.
void max_forward(const Pooling&, const Tensor& input, const Tensor& out, const Tensor& indices);
void max_backward(const Pooling&, const Tensor& input, const Tensor& grad_output,
                  const Tensor& indices, const Tensor& grad_input);
void avg_forward(const Pooling&, const Tensor& input, const Tensor& out);
void avg_backward(const Pooling&, const Tensor& input, const Tensor& grad_output,
                  const Tensor& grad_input);

struct structured_max_pool2d : at::meta::structured_max_pool2d_with_indices {
  void impl(const Tensor& self, IntArrayRef kernel, IntArrayRef stride, IntArrayRef padding,
            IntArrayRef dilation, bool ceil_mode, const Tensor& out, const Tensor& indices);
};
struct structured_max_pool2d_backward : at::meta::structured_max_pool2d_with_indices_backward {
  void impl(const Tensor& grad_output, const Tensor& self, IntArrayRef kernel,
            IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, bool ceil_mode,
            const Tensor& indices, const Tensor& grad_input);
};
struct structured_avg_pool2d : at::meta::structured_avg_pool2d {
  void impl(const Tensor& self, int64_t kH, int64_t kW, int64_t dH, int64_t dW, int64_t padH,
            int64_t padW, bool ceil_mode, bool count_include_pad,
            std::optional<int64_t> divisor_override, const Tensor& out);
};
struct structured_avg_pool2d_backward : at::meta::structured_avg_pool2d_backward {
  void impl(const Tensor& grad_output, const Tensor& self, IntArrayRef kernel,
            IntArrayRef stride, IntArrayRef padding, bool ceil_mode, bool count_include_pad,
            std::optional<int64_t> divisor_override, const Tensor& grad_input);
};
struct structured_avg_pool3d : at::meta::structured_avg_pool3d {
  void impl(const Tensor& self, IntArrayRef kernel, IntArrayRef stride, IntArrayRef padding,
            bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override,
            const Tensor& out);
};
struct structured_avg_pool3d_backward : at::meta::structured_avg_pool3d_backward {
  void impl(const Tensor& grad_output, const Tensor& self, IntArrayRef kernel,
            IntArrayRef stride, IntArrayRef padding, bool ceil_mode, bool count_include_pad,
            std::optional<int64_t> divisor_override, const Tensor& grad_input);
};
struct structured_adaptive_max_pool2d : at::meta::structured_adaptive_max_pool2d {
  void impl(const Tensor& self, IntArrayRef output_size, const Tensor& out,
            const Tensor& indices);
};
struct structured_adaptive_max_pool2d_backward
    : at::meta::structured_adaptive_max_pool2d_backward {
  void impl(const Tensor& grad_output, const Tensor& self, const Tensor& indices,
            const Tensor& grad_input);
};
struct structured_adaptive_max_pool3d : at::meta::structured_adaptive_max_pool3d {
  void impl(const Tensor& self, IntArrayRef output_size, const Tensor& out,
            const Tensor& indices);
};
struct structured_adaptive_max_pool3d_backward
    : at::meta::structured_adaptive_max_pool3d_backward {
  void impl(const Tensor& grad_output, const Tensor& self, const Tensor& indices,
            const Tensor& grad_input);
};

std::tuple<Tensor, Tensor> max_pool3d(const Tensor& self, IntArrayRef kernel,
                                      IntArrayRef stride, IntArrayRef padding,
                                      IntArrayRef dilation, bool ceil_mode);
std::tuple<Tensor&, Tensor&> max_pool3d_out(const Tensor& self, IntArrayRef kernel,
                                            IntArrayRef stride, IntArrayRef padding,
                                            IntArrayRef dilation, bool ceil_mode, Tensor& out,
                                            Tensor& indices);
Tensor max_pool3d_backward(const Tensor& grad_output, const Tensor& self, IntArrayRef kernel,
                           IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation,
                           bool ceil_mode, const Tensor& indices);
Tensor& max_pool3d_backward_out(const Tensor& grad_output, const Tensor& self,
                                IntArrayRef kernel, IntArrayRef stride, IntArrayRef padding,
                                IntArrayRef dilation, bool ceil_mode, const Tensor& indices,
                                Tensor& grad_input);
Tensor adaptive_avg_pool2d(const Tensor& self, IntArrayRef output_size);
Tensor& adaptive_avg_pool2d_out(const Tensor& self, IntArrayRef output_size, Tensor& out);
Tensor adaptive_avg_pool2d_backward(const Tensor& grad_output, const Tensor& self);
Tensor adaptive_avg_pool3d(const Tensor& self, IntArrayRef output_size);
Tensor& adaptive_avg_pool3d_out(const Tensor& self, IntArrayRef output_size, Tensor& out);
Tensor adaptive_avg_pool3d_backward(const Tensor& grad_output, const Tensor& self);
Tensor& adaptive_avg_pool3d_backward_out(const Tensor& grad_output, const Tensor& self,
                                         Tensor& grad_input);

} // namespace xpu_lite::aten::sycl
