// Copies in another arrangement, where torch's CPU does not do what torch does for
// all devices.

#include <torch/library.h>

#include "backend/aten/sycl/narrow_copy.h"
#include "backend/aten/sycl/pixel_shuffle.h"
#include "backend/aten/sycl/same_device.h"

namespace xpu_lite::aten::sycl {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("narrow_copy", TORCH_FN(narrow_copy));
  m.impl("narrow_copy.out", XPU_SYCL_FN(narrow_copy_out));
  m.impl("pixel_shuffle", TORCH_FN(pixel_shuffle));
  m.impl("pixel_unshuffle", TORCH_FN(pixel_unshuffle));
}

} // namespace xpu_lite::aten::sycl
