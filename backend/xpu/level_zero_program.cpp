// Programs of Level Zero devices. The few declarations of Level Zero that are
// needed stand here: its headers are in no pip package.

#include <dlfcn.h>

#include "backend/runtime/error.h"
#include "backend/xpu/native_program.h"

#include <sycl/ext/oneapi/backend/level_zero.hpp>

extern "C" {
typedef struct _ze_module_build_log_handle_t* ze_module_build_log_handle_t;
}

namespace xpu_lite::xpu {
namespace {

constexpr int kModuleDescription = 0x1b, kKernelDescription = 0x1d;
constexpr int kSpirv = 0, kNative = 1;

struct ModuleDescription { // ze_module_desc_t
  int type = kModuleDescription;
  const void* next = nullptr;
  int format = kSpirv;
  size_t size = 0;
  const uint8_t* data = nullptr;
  const char* flags = nullptr;
  const void* constants = nullptr;
};

struct KernelDescription { // ze_kernel_desc_t
  int type = kKernelDescription;
  const void* next = nullptr;
  uint32_t flags = 0;
  const char* name = nullptr;
};

struct Functions {
  int (*module_create)(ze_context_handle_t, ze_device_handle_t, const ModuleDescription*,
                       ze_module_handle_t*, ze_module_build_log_handle_t*);
  int (*module_destroy)(ze_module_handle_t);
  int (*module_native)(ze_module_handle_t, size_t*, uint8_t*);
  int (*log_string)(ze_module_build_log_handle_t, size_t*, char*);
  int (*log_destroy)(ze_module_build_log_handle_t);
  int (*kernel_create)(ze_module_handle_t, const KernelDescription*, ze_kernel_handle_t*);

  bool load() {
    void* library = dlopen("libze_loader.so.1", RTLD_LAZY | RTLD_NOLOAD);
    if (!library) return false;
    auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      return function != nullptr;
    };
    return find(module_create, "zeModuleCreate") && find(module_destroy, "zeModuleDestroy") &&
           find(module_native, "zeModuleGetNativeBinary") &&
           find(log_string, "zeModuleBuildLogGetString") &&
           find(log_destroy, "zeModuleBuildLogDestroy") && find(kernel_create, "zeKernelCreate");
  }
};

class LevelZeroCompiler : public NativeCompiler {
 public:
  explicit LevelZeroCompiler(const Functions& functions) : ze_(functions) {}

  NativeProgram from_spirv(const sycl::context& context, const sycl::device& device,
                           const char* spirv, size_t size, const std::string& entry) override {
    ze_module_handle_t module = create(context, device, spirv, size, kSpirv);
    std::vector<char> binary = binary_of(module); // before the bundle owns the module
    return {finish(context, module, entry), std::move(binary)};
  }

  sycl::kernel from_binary(const sycl::context& context, const sycl::device& device,
                           const std::vector<char>& binary, const std::string& entry) override {
    return finish(context, create(context, device, binary.data(), binary.size(), kNative), entry);
  }

 private:
  ze_module_handle_t create(const sycl::context& context, const sycl::device& device,
                            const char* data, size_t size, int format) {
    constexpr auto backend = sycl::backend::ext_oneapi_level_zero;
    ModuleDescription description;
    description.format = format;
    description.size = size;
    description.data = reinterpret_cast<const uint8_t*>(data);
    // Tensors may be larger than 4 GB.
    description.flags = "-ze-opt-greater-than-4GB-buffer-required";
    ze_module_handle_t module = nullptr;
    ze_module_build_log_handle_t log = nullptr;
    int status = ze_.module_create(sycl::get_native<backend>(context),
                                   sycl::get_native<backend>(device), &description, &module, &log);
    std::string text = status ? text_of(log) : std::string();
    if (log) ze_.log_destroy(log);
    if (status) throw Error(message("Level Zero error ", status, ": ", text));
    return module;
  }

  std::string text_of(ze_module_build_log_handle_t log) {
    size_t size = 0;
    if (!log || ze_.log_string(log, &size, nullptr) || !size) return "no build log";
    std::string text(size, '\0');
    ze_.log_string(log, &size, text.data());
    while (!text.empty() && (text.back() == '\0' || text.back() == '\n')) text.pop_back();
    return text;
  }

  std::vector<char> binary_of(ze_module_handle_t module) {
    size_t size = 0;
    if (ze_.module_native(module, &size, nullptr) || !size) return {};
    std::vector<char> binary(size);
    if (ze_.module_native(module, &size, reinterpret_cast<uint8_t*>(binary.data()))) return {};
    binary.resize(size);
    return binary;
  }

  // Takes the module, also when it throws.
  sycl::kernel finish(const sycl::context& context, ze_module_handle_t module,
                      const std::string& entry) {
    constexpr auto backend = sycl::backend::ext_oneapi_level_zero;
    constexpr auto owned = sycl::ext::oneapi::level_zero::ownership::transfer;
    KernelDescription description;
    description.name = entry.c_str();
    ze_kernel_handle_t kernel = nullptr;
    if (int status = ze_.kernel_create(module, &description, &kernel)) {
      ze_.module_destroy(module);
      throw Error(message("zeKernelCreate(", entry, "): Level Zero error ", status));
    }
    try {
      auto bundle = sycl::make_kernel_bundle<backend, sycl::bundle_state::executable>(
          {module, owned}, context);
      return sycl::make_kernel<backend>({bundle, kernel, owned}, context);
    } catch (const sycl::exception& error) {
      throw Error(error.what());
    }
  }

  Functions ze_;
};

} // namespace

NativeCompiler* level_zero_compiler() {
  static NativeCompiler* compiler = []() -> NativeCompiler* {
    Functions functions{};
    return functions.load() ? new LevelZeroCompiler(functions) : nullptr;
  }();
  return compiler;
}

} // namespace xpu_lite::xpu
