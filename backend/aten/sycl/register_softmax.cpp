#include <torch/library.h>

#include "backend/aten/sycl/same_device.h"
#include "backend/aten/sycl/softmax.h"

namespace xpu_lite::aten::sycl {

// _softmax and its kin are structured: operators/reduce.yaml.
TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("_masked_softmax", XPU_SYCL_FN(masked_softmax));
  m.impl("_masked_softmax_backward", XPU_SYCL_FN(masked_softmax_backward));
}

} // namespace xpu_lite::aten::sycl
