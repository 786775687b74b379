#pragma once

// The kernels that came with the package: archives of SPIR-V (spirv/archive.h) in
// the folder `kernels` beside the library's own, or where XPU_LITE_KERNEL_DIR says.
// Mapped, not read: a process touches only the pages of what it uses.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace xpu_lite::xpu {

struct KernelImage {
  std::string_view name;
  const char* spirv;
  size_t size;
  uint64_t hash;  // of the SPIR-V
  uint32_t needs; // Needs
  uint32_t index; // counts the kernels from 0
};

// Null when no archive has a kernel of that name. Fast (no lock).
const KernelImage* find_kernel(std::string_view name);
size_t kernel_count();
std::vector<std::string_view> kernel_names(); // sorted
const std::string& kernel_folder();

// The name that the SPIR-V module has for a kernel.
std::string entry_point(std::string_view name);

} // namespace xpu_lite::xpu
