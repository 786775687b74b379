#pragma once

// A convolution's tensors as the host engine's kernel takes them.

#include <memory>
#include <optional>

#include <ATen/core/Tensor.h>

#include "backend/cpu/conv/convolution.h"

namespace xpu_lite::aten {

struct Window2d {
  at::IntArrayRef stride, padding, dilation; // of one or two numbers
};

// Sizes, windows and the input's layout, no pointers. Nothing where the kernel does not
// take them: other dtypes or dimensions, strides of neither layout, an empty result.
std::optional<cpu::conv::Convolution> as_convolution(const at::Tensor& input,
                                                     const at::Tensor& weight,
                                                     const Window2d& window);

// The layouts that the kernels read.
std::optional<cpu::conv::Layout> convolution_layout(const at::Tensor& t);

// The measured choice between the kernel and torch's (benchmarks/convolution.py), for an
// output with channels last or first.
bool is_faster_here(const cpu::conv::Convolution& c, bool channels_last);

// torch's own choice of the output's format.
bool prefers_channels_last(const at::Tensor& input, const at::Tensor& weight);

// False where the bias is of a form that the kernel does not take.
bool set_bias(cpu::conv::Convolution& c, const std::optional<at::Tensor>& bias,
              const at::Tensor& input);

// Kept while nothing writes to the weight. `turned`: by half a turn, as gradients need it.
std::shared_ptr<const void> packed_filter(const at::Tensor& weight, cpu::DType dtype,
                                          bool turned);

// The output, of dtype `type`; sets the pointers of `c` but those of its epilogue.
at::Tensor run_convolution(const char* name, cpu::conv::Convolution& c, const at::Tensor& input,
                           const at::Tensor& weight, at::ScalarType type,
                           at::MemoryFormat format, bool turned = false);

} // namespace xpu_lite::aten
