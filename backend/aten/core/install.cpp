#include "backend/aten/core/install.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "backend/runtime/error.h"
#include "backend/runtime/options.h"
#include "backend/xpu/engine.h"

namespace xpu_lite::aten {
namespace {

struct HostLibrary {
  const char* ns;
  c10::DispatchKey key;
  detail::LibraryBody body;
  const char* file;
  uint32_t line;
};
struct HostList {
  std::vector<detail::Installer> installers;
  std::vector<HostLibrary> libraries;
};
HostList& host_list() {
  static HostList& list = *new HostList;
  return list;
}

bool sycl_installed = false;

// A bad value is reported by who asks for a device; the operators do not matter then.
bool sycl_chosen() {
  std::string value;
  try {
    value = options().devices;
  } catch (const Error&) {
    return false;
  }
  if (value == "auto") return !xpu::preferred().empty(); // loads nothing where there is no GPU
  if (!xpu::installed()) return false;
  if (!value.starts_with("level_zero") && !value.starts_with("opencl")) return false;
  // Without such a device, or a runtime, who asks for one is told why.
  const std::vector<std::string> found = xpu::found();
  return std::any_of(found.begin(), found.end(),
                     [&](const std::string& selector) { return value.starts_with(selector); });
}

void install_host() {
  for (detail::Installer install : host_list().installers) install();
  for (const HostLibrary& l : host_list().libraries) {
    auto* library = new torch::Library(torch::Library::IMPL, l.ns, l.key, l.file, l.line);
    l.body(*library);
  }
}

void install_sycl() {
  Dl_info here{};
  TORCH_CHECK(dladdr(reinterpret_cast<const void*>(&install_operators), &here) != 0,
              "xpu_lite: cannot find the folder of its libraries");
  const auto path = std::filesystem::path(here.dli_fname).parent_path() / "libxpu_lite_torch_sycl.so";
  TORCH_CHECK(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr,
              "xpu_lite: the operators of the SYCL engine do not load: ", dlerror(),
              "; install what they need with: pip install 'torch-xpu-lite[xpu]'");
  sycl_installed = true;
}

} // namespace

bool detail::at_host_install(Installer installer) {
  host_list().installers.push_back(installer);
  return true;
}

bool detail::at_host_install(const char* ns, c10::DispatchKey key, LibraryBody body,
                             const char* file, uint32_t line) {
  host_list().libraries.push_back({ns, key, body, file, line});
  return true;
}

void install_operators() {
  if (sycl_chosen()) {
    install_sycl();
  } else {
    install_host();
  }
}

bool sycl_operators() noexcept { return sycl_installed; }

} // namespace xpu_lite::aten
