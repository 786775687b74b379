#pragma once

#include "backend/xpu/launch.h"
#include "backend/xpu/program.h"

namespace xpu_lite::xpu {

// launch() of a kernel that was looked up before.
void launch_kernel(Stream& stream, const BuiltKernel& kernel, Grid grid, const void* args,
                   size_t bytes);

} // namespace xpu_lite::xpu
