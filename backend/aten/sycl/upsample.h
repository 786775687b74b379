#pragma once

// Upsampling in every mode but lanczos, forward and backward.

#include <optional>

#include <ATen/core/Tensor.h>
#include <ATen/ops/_upsample_bicubic2d_aa_backward_native.h>
#include <ATen/ops/_upsample_bicubic2d_aa_native.h>
#include <ATen/ops/_upsample_bilinear2d_aa_backward_native.h>
#include <ATen/ops/_upsample_bilinear2d_aa_native.h>
#include <ATen/ops/_upsample_nearest_exact1d_backward_native.h>
#include <ATen/ops/_upsample_nearest_exact1d_native.h>
#include <ATen/ops/_upsample_nearest_exact2d_backward_native.h>
#include <ATen/ops/_upsample_nearest_exact2d_native.h>
#include <ATen/ops/_upsample_nearest_exact3d_backward_native.h>
#include <ATen/ops/_upsample_nearest_exact3d_native.h>
#include <ATen/ops/upsample_bicubic2d_backward_native.h>
#include <ATen/ops/upsample_bicubic2d_native.h>
#include <ATen/ops/upsample_bilinear2d_backward_native.h>
#include <ATen/ops/upsample_bilinear2d_native.h>
#include <ATen/ops/upsample_linear1d_backward_native.h>
#include <ATen/ops/upsample_linear1d_native.h>
#include <ATen/ops/upsample_nearest1d_backward_native.h>
#include <ATen/ops/upsample_nearest1d_native.h>
#include <ATen/ops/upsample_nearest2d_backward_native.h>
#include <ATen/ops/upsample_nearest2d_native.h>
#include <ATen/ops/upsample_nearest3d_backward_native.h>
#include <ATen/ops/upsample_nearest3d_native.h>
#include <ATen/ops/upsample_trilinear3d_backward_native.h>
#include <ATen/ops/upsample_trilinear3d_native.h>

namespace xpu_lite::aten::sycl {

using at::Tensor;
using Sizes = at::ArrayRef<int64_t>;
using Scale = std::optional<double>;

// The classes of one operator and its backward; ALIGN is `bool align_corners,` or
// nothing, SCALES the parameters of that type.
#define XPU_SYCL_UPSAMPLE(META, NAME, ALIGN, ...)                                        \
  struct structured_##NAME : at::meta::structured_##META {                               \
    void impl(const Tensor& self, Sizes output_size, ALIGN __VA_ARGS__, const Tensor& out); \
  };                                                                                     \
  struct structured_##NAME##_backward : at::meta::structured_##META##_backward {         \
    void impl(const Tensor& grad_output, Sizes output_size, Sizes input_size,            \
              ALIGN __VA_ARGS__, const Tensor& grad_input);                              \
  };
#define XPU_SYCL_ALIGN bool align_corners,
#define XPU_SYCL_NO_ALIGN
XPU_SYCL_UPSAMPLE(upsample_nearest1d, upsample_nearest1d, XPU_SYCL_NO_ALIGN, Scale w)
XPU_SYCL_UPSAMPLE(_upsample_nearest_exact1d, upsample_nearest_exact1d, XPU_SYCL_NO_ALIGN, Scale w)
XPU_SYCL_UPSAMPLE(upsample_linear1d, upsample_linear1d, XPU_SYCL_ALIGN, Scale w)
XPU_SYCL_UPSAMPLE(upsample_nearest2d, upsample_nearest2d, XPU_SYCL_NO_ALIGN, Scale h, Scale w)
XPU_SYCL_UPSAMPLE(_upsample_nearest_exact2d, upsample_nearest_exact2d, XPU_SYCL_NO_ALIGN, Scale h, Scale w)
XPU_SYCL_UPSAMPLE(upsample_bilinear2d, upsample_bilinear2d, XPU_SYCL_ALIGN, Scale h, Scale w)
XPU_SYCL_UPSAMPLE(upsample_bicubic2d, upsample_bicubic2d, XPU_SYCL_ALIGN, Scale h, Scale w)
XPU_SYCL_UPSAMPLE(_upsample_bilinear2d_aa, upsample_bilinear2d_aa, XPU_SYCL_ALIGN, Scale h, Scale w)
XPU_SYCL_UPSAMPLE(_upsample_bicubic2d_aa, upsample_bicubic2d_aa, XPU_SYCL_ALIGN, Scale h, Scale w)
XPU_SYCL_UPSAMPLE(upsample_nearest3d, upsample_nearest3d, XPU_SYCL_NO_ALIGN, Scale d, Scale h, Scale w)
XPU_SYCL_UPSAMPLE(_upsample_nearest_exact3d, upsample_nearest_exact3d, XPU_SYCL_NO_ALIGN, Scale d, Scale h, Scale w)
XPU_SYCL_UPSAMPLE(upsample_trilinear3d, upsample_trilinear3d, XPU_SYCL_ALIGN, Scale d, Scale h, Scale w)
#undef XPU_SYCL_UPSAMPLE

} // namespace xpu_lite::aten::sycl
