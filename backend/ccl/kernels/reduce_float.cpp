// float and double.

#include "backend/ccl/kernels/reduce_loop.h"

namespace xpu_lite::ccl::XPU_LITE_LEVEL {
namespace {
XPU_LITE_REGISTER_KERNEL(ccl_reduce_float32, reduce_real<Element<float>>);
XPU_LITE_REGISTER_KERNEL(ccl_reduce_float64, reduce_real<Element<double>>);
} // namespace
} // namespace xpu_lite::ccl::XPU_LITE_LEVEL
