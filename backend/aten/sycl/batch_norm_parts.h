#pragma once

// The steps of batch norm as calls of kernels, for dense tensors in the input's
// memory format and parameters in the accumulation type.

#include "backend/aten/sycl/norm_common.h"

namespace xpu_lite::aten::sycl {

// Mean and biased variance of each channel.
std::pair<at::Tensor, at::Tensor> channel_moments(const char* op, const at::Tensor& input);

struct ChannelFactors {
  at::Tensor scale, shift; // undefined: not wanted
};

// From moments (`is_rstd`: var is already 1 / sqrt(var + eps)) to what is given in `a`
// of save_*, running_*; and, if wanted, to scale and shift.
ChannelFactors channel_factors(const char* op, const at::Tensor& any, xpu::ChannelStatArgs a,
                               double eps, double momentum, double unbias, bool wanted);

at::Tensor scaled(const char* op, const at::Tensor& input, const ChannelFactors& factors);

// The input's gradient; `elements` of each channel, over all processes.
at::Tensor channel_backward(const char* op, const at::Tensor& grad, const at::Tensor& input,
                            const at::Tensor& weight, const at::Tensor& mean,
                            const at::Tensor& rstd, const at::Tensor& sum,
                            const at::Tensor& along, bool train, double share);

// A tensor of running statistics as the kernel can update it; put_back() afterwards.
struct Running {
  Running(const char* op, const char* name, const std::optional<at::Tensor>& t,
          const at::Tensor& input);
  void* address() const { return out_or_null(dense); }
  void put_back() const {
    if (dense.defined() && !dense.is_same(given_)) given_.copy_(dense);
  }
  at::Tensor given_, dense;
};

} // namespace xpu_lite::aten::sycl
