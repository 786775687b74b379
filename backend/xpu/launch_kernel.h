#pragma once

#include "backend/xpu/launch.h"
#include "backend/xpu/program.h"

namespace xpu_lite::xpu {

// launch() of a kernel that was looked up before.
void launch_kernel(Stream& stream, const BuiltKernel& kernel, Grid grid, const void* args,
                   size_t bytes);

// While one is set, each launch makes an event (with its times) and hands it over:
// how a profiler sees kernels. Null: launches make none, which is cheaper.
using LaunchObserver = void (*)(Stream& stream, std::string_view kernel, sycl::event event);
void set_launch_observer(LaunchObserver function);

} // namespace xpu_lite::xpu
