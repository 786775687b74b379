// bfloat16 and half: added in float, rounded once.

#include "backend/ccl/kernels/float_lanes.h"
#include "backend/ccl/kernels/reduce_loop.h"

namespace xpu_lite::ccl::XPU_LITE_LEVEL {
namespace {
XPU_LITE_REGISTER_KERNEL(ccl_reduce_bfloat16, reduce_real<BFloat16>);
XPU_LITE_REGISTER_KERNEL(ccl_reduce_float16, reduce_real<Float16>);
} // namespace
} // namespace xpu_lite::ccl::XPU_LITE_LEVEL
