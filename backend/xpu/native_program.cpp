#include "backend/xpu/native_program.h"

#include "backend/runtime/error.h"
#include "backend/runtime/options.h"

namespace xpu_lite::xpu {

NativeCompiler* native_compiler(const sycl::device& device) {
  if (!options().native_programs) return nullptr;
  switch (device.get_backend()) {
    case sycl::backend::opencl: return opencl_compiler();
    case sycl::backend::ext_oneapi_level_zero: return level_zero_compiler();
    default: return nullptr;
  }
}

sycl::kernel sycl_program(const sycl::context& context, const sycl::device& device,
                          const char* spirv, size_t size, const std::string& entry) {
  namespace syclex = sycl::ext::oneapi::experimental;
  auto* bytes = reinterpret_cast<const std::byte*>(spirv);
  try {
    auto source = syclex::create_kernel_bundle_from_source(
        context, syclex::source_language::spirv, std::vector<std::byte>(bytes, bytes + size));
    return syclex::build(source, {device}).ext_oneapi_get_kernel(entry);
  } catch (const sycl::exception& error) {
    throw Error(error.what());
  }
}

} // namespace xpu_lite::xpu
