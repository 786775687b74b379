#include <torch/library.h>

#include "backend/aten/sycl/copy.h"

namespace xpu_lite::aten::sycl {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("_copy_from", TORCH_FN(copy_from));
  m.impl("_local_scalar_dense", TORCH_FN(local_scalar_dense));
}

} // namespace xpu_lite::aten::sycl
