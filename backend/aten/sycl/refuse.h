#pragma once

// Types that torch's CPU has no kernel for: refused in its words, so that a program
// hears the same on every device.

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

inline void refuse_if(bool refused, const char* op, at::ScalarType type) {
  TORCH_CHECK_NOT_IMPLEMENTED(!refused, '"', op, "\" not implemented for '", c10::toString(type),
                              "'");
}
inline void refuse_bool(const char* op, at::ScalarType type) {
  refuse_if(type == at::kBool, op, type);
}
inline void refuse_integers(const char* op, at::ScalarType type) {
  refuse_if(at::isIntegralType(type, /*includeBool=*/false), op, type);
}

} // namespace xpu_lite::aten::sycl
