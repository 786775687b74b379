#pragma once

// Operators that torch has for accelerators only and that other operators express:
// depthwise convolutions, the backward of max_pool2d, int4 weights under their
// accelerator names, and grouped products of scaled (float8) matrices.

#include <optional>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

at::Tensor conv_depthwise2d(const at::Tensor& self, const at::Tensor& weight,
                            at::IntArrayRef kernel_size, const std::optional<at::Tensor>& bias,
                            at::IntArrayRef stride, at::IntArrayRef padding,
                            at::IntArrayRef dilation);
at::Tensor& conv_depthwise2d_out(const at::Tensor& self, const at::Tensor& weight,
                                       at::IntArrayRef kernel_size,
                                       const std::optional<at::Tensor>& bias,
                                       at::IntArrayRef stride, at::IntArrayRef padding,
                                       at::IntArrayRef dilation, at::Tensor& out);
at::Tensor conv_depthwise3d(const at::Tensor& self, const at::Tensor& weight,
                            at::IntArrayRef kernel_size, const std::optional<at::Tensor>& bias,
                            at::IntArrayRef stride, at::IntArrayRef padding,
                            at::IntArrayRef dilation);

at::Tensor max_pool2d_backward(const at::Tensor& grad_output, const at::Tensor& self,
                               at::IntArrayRef kernel_size, at::IntArrayRef stride,
                               at::IntArrayRef padding, at::IntArrayRef dilation, bool ceil_mode);

// Packs int32 [n, k] (as the CPU takes it) or uint8 [n, k / 2], the even column in the
// high half (as CUDA takes it), into the layout of the CPU's int4 kernel.
at::Tensor convert_weight_to_int4pack(const at::Tensor& self, int64_t inner_k_tiles);
at::Tensor weight_int4pack_mm(const at::Tensor& self, const at::Tensor& mat2, int64_t group_size,
                              const at::Tensor& scale_and_zeros);

// float8 matrices with a float scale per row of self and per column of mat2. `offs`: where
// the groups end, along the rows (2-D self, 3-D mat2), the columns (3-D, 2-D) or the
// contracted dimension (2-D, 2-D). Waits for `offs`.
at::Tensor scaled_grouped_mm(const at::Tensor& self, const at::Tensor& mat2,
                             const at::Tensor& scale_a, const at::Tensor& scale_b,
                             const std::optional<at::Tensor>& offs,
                             const std::optional<at::Tensor>& bias,
                             const std::optional<at::Tensor>& scale_result,
                             std::optional<at::ScalarType> out_dtype, bool use_fast_accum);
at::Tensor scaled_grouped_mm_v2(const at::Tensor& self, const at::Tensor& mat2,
                                at::TensorList scale_a, at::IntArrayRef recipe_a,
                                at::IntArrayRef swizzle_a, at::TensorList scale_b,
                                at::IntArrayRef recipe_b, at::IntArrayRef swizzle_b,
                                const std::optional<at::Tensor>& offs,
                                const std::optional<at::Tensor>& bias,
                                std::optional<at::ScalarType> out_dtype,
                                at::IntArrayRef contraction_dim, bool use_fast_accum);

} // namespace xpu_lite::aten
