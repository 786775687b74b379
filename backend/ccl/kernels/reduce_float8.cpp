// The float8 types: added in float, rounded once.

#include "backend/ccl/kernels/float_lanes.h"
#include "backend/ccl/kernels/reduce_loop.h"

namespace xpu_lite::ccl::XPU_LITE_LEVEL {
namespace {

void reduce_float8(const ReduceArgs& args, DataType type) {
  switch (type) {
    case DataType::Float8_e4m3fn: return reduce_real<Float8_e4m3fn>(args);
    case DataType::Float8_e5m2: return reduce_real<Float8_e5m2>(args);
    case DataType::Float8_e4m3fnuz: return reduce_real<Float8_e4m3fnuz>(args);
    case DataType::Float8_e5m2fnuz: return reduce_real<Float8_e5m2fnuz>(args);
    case DataType::Float8_e8m0fnu: return reduce_real<Float8_e8m0fnu>(args);
    default: return;
  }
}

XPU_LITE_REGISTER_KERNEL(ccl_reduce_float8, reduce_float8);

} // namespace
} // namespace xpu_lite::ccl::XPU_LITE_LEVEL
