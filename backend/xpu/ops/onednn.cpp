#include "backend/xpu/ops/onednn.h"

#include <dlfcn.h>

#include <string>

#include <sycl/exception.hpp>

#include "backend/runtime/error.h"
#include "backend/runtime/options.h"

namespace xpu_lite::xpu::onednn {

namespace {

// The folder of the object that contains `address`, with a slash at its end.
std::string folder_of(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return {};
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

struct Loaded {
  Library* library = nullptr;
  std::string why;
};

std::string missing(const std::string& why) {
  return message("oneDNN is not available (", why, "): matrix products and convolutions run on "
                 "slower kernels; to have it: pip install onednn");
}

// libdnnl.so names the libraries it needs but not their place: pip put them beside
// libsycl. Opened first, by path, they are found by name afterwards.
Loaded load() {
  if (options().without.find("onednn") != std::string::npos) {
    return {nullptr, missing("XPU_LITE_WITHOUT=" + options().without)};
  }
  std::error_code (*in_libsycl)(sycl::errc) noexcept = &sycl::make_error_code;
  const std::string packages = folder_of(reinterpret_cast<const void*>(in_libsycl));
  for (const char* name : {"libtbb.so.12", "libintlc.so.5", "libirc.so", "libimf.so",
                           "libsvml.so", "libdnnl.so.3"}) {
    if (dlopen((packages + name).c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
      dlopen(name, RTLD_NOW | RTLD_LOCAL); // elsewhere on the search path
    }
  }
  const std::string ours = folder_of(reinterpret_cast<const void*>(&library));
  const std::string path = ours + "libxpu_lite_onednn.so";
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  Loaded loaded;
  if (handle == nullptr) {
    const char* why = dlerror();
    loaded.why = missing(why == nullptr ? path : why);
    return loaded;
  }
  auto make = reinterpret_cast<Library* (*)()>(dlsym(handle, "xpu_lite_onednn_library"));
  loaded.library = make == nullptr ? nullptr : make();
  if (loaded.library == nullptr) {
    loaded.why = message(path, " is not from this build of xpu-lite: install the package again");
  }
  return loaded;
}

const Loaded& loaded() {
  static const Loaded* once = new Loaded(load());
  return *once;
}

} // namespace

Library* library() { return loaded().library; }
const std::string& why_missing() { return loaded().why; }

} // namespace xpu_lite::xpu::onednn
