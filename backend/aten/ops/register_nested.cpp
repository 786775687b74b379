// Dense operators that make nested tensors and take CPU tensors of sizes beside
// device tensors, which the generated wrappers would refuse.

#include <ATen/ops/_nested_view_from_buffer_native.h>
#include <torch/library.h>

#include "backend/aten/core/layouts.h"

namespace xpu_lite::aten {
namespace {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("_nested_view_from_buffer", TORCH_FN(at::native::_nested_view_from_buffer));
  m.impl("_nested_from_padded", torch::CppFunction::makeFromBoxedFunction<&layout_fallback>());
  m.impl("_nested_tensor_from_mask",
         torch::CppFunction::makeFromBoxedFunction<&layout_fallback>());
}

} // namespace
} // namespace xpu_lite::aten
