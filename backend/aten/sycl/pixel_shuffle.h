#pragma once

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

at::Tensor pixel_shuffle(const at::Tensor& self, int64_t factor);
at::Tensor pixel_unshuffle(const at::Tensor& self, int64_t factor);

} // namespace xpu_lite::aten::sycl
