// torch's function for all devices moves the pixels; its CPU's keeps the memory format.

#include "backend/aten/sycl/pixel_shuffle.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/pixel_shuffle_native.h>
#include <ATen/ops/pixel_unshuffle_native.h>

namespace xpu_lite::aten::sycl {
namespace {

at::Tensor in_format_of(const at::Tensor& self, const at::Tensor& pixels) {
  at::Tensor result = at::empty(
      pixels.sizes(), pixels.options().memory_format(self.suggest_memory_format()));
  if (result.strides() == pixels.strides()) return pixels;
  return result.copy_(pixels);
}

} // namespace

at::Tensor pixel_shuffle(const at::Tensor& self, int64_t factor) {
  return in_format_of(self, at::native::math_pixel_shuffle(self, factor));
}
at::Tensor pixel_unshuffle(const at::Tensor& self, int64_t factor) {
  return in_format_of(self, at::native::math_pixel_unshuffle(self, factor));
}

} // namespace xpu_lite::aten::sycl
