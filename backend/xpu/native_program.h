#pragma once

// A kernel made with the driver's own interface (OpenCL, Level Zero), which hands
// out the device binary for the disk cache and takes it back. SYCL's own way from
// SPIR-V does not, and takes longer; it serves every other backend.

#include <string>
#include <vector>

#include <sycl/sycl.hpp>

namespace xpu_lite::xpu {

struct NativeProgram {
  sycl::kernel kernel;
  std::vector<char> binary; // empty when the driver gives none
};

class NativeCompiler {
 public:
  virtual ~NativeCompiler() = default;
  // Throws Error with the driver's build log.
  virtual NativeProgram from_spirv(const sycl::context& context, const sycl::device& device,
                                   const char* spirv, size_t size, const std::string& entry) = 0;
  // Throws Error when the driver does not accept the binary.
  virtual sycl::kernel from_binary(const sycl::context& context, const sycl::device& device,
                                   const std::vector<char>& binary, const std::string& entry) = 0;
};

// Null when the driver's library cannot be found.
NativeCompiler* opencl_compiler();
NativeCompiler* level_zero_compiler();

// The one for the device's backend, or null: build through SYCL then. Null for all
// with XPU_LITE_NATIVE_PROGRAMS=0.
NativeCompiler* native_compiler(const sycl::device& device);

// The kernel by SYCL's own means, for any backend.
sycl::kernel sycl_program(const sycl::context& context, const sycl::device& device,
                          const char* spirv, size_t size, const std::string& entry);

} // namespace xpu_lite::xpu
