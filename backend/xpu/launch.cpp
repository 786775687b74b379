#include "backend/xpu/launch.h"

#include <atomic>

#include "backend/xpu/submit.h"

namespace xpu_lite::xpu {
namespace {

namespace syclex = sycl::ext::oneapi::experimental;

// What Intel GPUs take; the CPU device would take more.
constexpr size_t kMaxArgumentBytes = 2048;

std::atomic<LaunchObserver> observer{nullptr};

[[noreturn]] void refuse(const BuiltKernel& kernel, const Stream& stream, const Grid& grid,
                         size_t bytes) {
  if (bytes > kMaxArgumentBytes)
    throw Error(message("the kernel ", kernel.name, " was given ", bytes,
                        " bytes of arguments; at most ", kMaxArgumentBytes, " are allowed"));
  throw Error(message("the kernel ", kernel.name, " cannot run ", grid.groups, " groups of ",
                      grid.group_size, " work-items on device ", stream.device(), ": at most ",
                      kernel.max_group_size, " work-items per group, and 4294967295 groups"));
}

} // namespace

void set_launch_observer(LaunchObserver function) { observer.store(function); }
LaunchObserver launch_observer() noexcept { return observer.load(std::memory_order_relaxed); }

void launch_kernel(Stream& stream, const BuiltKernel& kernel, Grid grid, const void* args,
                   size_t bytes) {
  if (!grid.groups) return;
  if (bytes > kMaxArgumentBytes || !grid.group_size || grid.group_size > kernel.max_group_size ||
      grid.groups > UINT32_MAX)
    refuse(kernel, stream, grid, bytes);
  submit_kernel(stream, kernel.name, [&](sycl::handler& handler) {
    handler.set_arg(0, syclex::raw_kernel_arg(args, bytes));
    syclex::nd_launch(handler, sycl::nd_range<1>{grid.groups * grid.group_size, grid.group_size},
                      kernel.kernel);
  });
}

void launch(Stream& stream, std::string_view kernel, Grid grid, const void* args, size_t bytes) {
  launch_kernel(stream, built_kernel(stream.device(), kernel), grid, args, bytes);
}

} // namespace xpu_lite::xpu
