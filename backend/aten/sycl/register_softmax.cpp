#include <torch/library.h>

#include "backend/aten/sycl/softmax.h"

namespace xpu_lite::aten::sycl {

// _softmax and its kin are structured: operators/reduce.yaml.
TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("_masked_softmax", TORCH_FN(masked_softmax));
  m.impl("_masked_softmax_backward", TORCH_FN(masked_softmax_backward));
}

} // namespace xpu_lite::aten::sycl
