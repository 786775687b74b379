#pragma once

// Kernels built for a device, at their first use: from the disk cache
// (binary_cache.h) or from the SPIR-V of the package (kernel_library.h).

#include <string>
#include <string_view>

#include <sycl/sycl.hpp>

namespace xpu_lite::xpu {

struct BuiltKernel {
  sycl::kernel kernel;
  std::string name;
  size_t max_group_size; // of this kernel on its device
};

// Lives as long as the process. Thread-safe; without a lock once it is built.
// Throws Error: no such kernel, something the device lacks, a failed build.
const BuiltKernel& built_kernel(int device, std::string_view name);

// Builds a module that is not of the package (a user's), with the same cache.
// `label` names it in errors.
BuiltKernel build_module(int device, const char* spirv, size_t size, const std::string& entry,
                         const std::string& label);

// How many kernels this process took from the disk cache, and how many it built.
struct BuildCounts {
  size_t loaded, built;
};
BuildCounts build_counts();

} // namespace xpu_lite::xpu
