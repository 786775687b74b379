#include <torch/library.h>

#include "backend/aten/ops/matmul_dtype.h"

namespace xpu_lite::aten {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("mm.dtype", TORCH_FN(mm_dtype));
  m.impl("mm.dtype_out", TORCH_FN(mm_dtype_out));
  m.impl("bmm.dtype", TORCH_FN(bmm_dtype));
  m.impl("bmm.dtype_out", TORCH_FN(bmm_dtype_out));
  m.impl("addmm.dtype", TORCH_FN(addmm_dtype));
  m.impl("addmm.dtype_out", TORCH_FN(addmm_dtype_out));
  m.impl("baddbmm.dtype", TORCH_FN(baddbmm_dtype));
  m.impl("baddbmm.dtype_out", TORCH_FN(baddbmm_dtype_out));
}

} // namespace xpu_lite::aten
