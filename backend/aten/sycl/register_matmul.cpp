#include <ATen/ops/addbmm_native.h>
#include <torch/library.h>

namespace xpu_lite::aten::sycl {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  // torch's loop of addmm over the batch.
  m.impl("addbmm", TORCH_FN(at::native::addbmm));
  m.impl("addbmm_", TORCH_FN(at::native::addbmm_));
  m.impl("addbmm.out", TORCH_FN(at::native::addbmm_out));
}

} // namespace xpu_lite::aten::sycl
