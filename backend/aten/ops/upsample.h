#pragma once

#include <optional>

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

// aten::upsample_nearest2d of float32 and 16-bit images; all else is torch's.
at::Tensor upsample_nearest2d(const at::Tensor& input, at::IntArrayRef output_size,
                              std::optional<double> scales_h, std::optional<double> scales_w);

} // namespace xpu_lite::aten
