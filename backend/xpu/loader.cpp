// Finds and loads the library of the SYCL engine. libxpu_lite.so holds this and
// nothing else of it, so a program without SYCL devices never loads a SYCL runtime.

#include <dirent.h>
#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "backend/runtime/error.h"
#include "backend/xpu/engine.h"

namespace xpu_lite::xpu {
namespace {

constexpr char kEngineLibrary[] = "libxpu_lite_xpu.so";
constexpr char kSyclLibrary[] = "libsycl.so.9";
constexpr char kInstall[] = "; install it with: pip install 'torch-xpu-lite[xpu]'";

bool exists(const std::string& path) { return access(path.c_str(), R_OK) == 0; }

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string own_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&own_folder), &info) == 0 || !info.dli_fname) return ".";
  return folder_of(info.dli_fname);
}

// Where pip puts shared libraries: the lib folder of the environment that this
// package is in, of the running Python, or of the active environment.
std::vector<std::string> library_folders() {
  std::vector<std::string> folders{own_folder() + "/../../../.."};
  char program[4096];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length > 0) {
    program[length] = 0;
    folders.push_back(folder_of(folder_of(program)) + "/lib");
  }
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const char* prefix = std::getenv(name)) folders.push_back(std::string(prefix) + "/lib");
  return folders;
}

std::string find_library(const char* name) {
  for (const std::string& folder : library_folders())
    if (exists(folder + "/" + name)) return folder + "/" + name;
  return "";
}

// The .icd file of the OpenCL CPU device's package names a path that does not
// exist, so that the OpenCL loader does not find it by itself. It lies where the
// SYCL runtime does.
void name_opencl_driver(void* sycl) {
  if (std::getenv("OCL_ICD_FILENAMES")) return;
  std::string driver;
  link_map* map = nullptr;
  if (dlinfo(sycl, RTLD_DI_LINKMAP, &map) == 0 && map->l_name)
    driver = folder_of(map->l_name) + "/libintelocl.so";
  if (!exists(driver)) driver = find_library("libintelocl.so");
  if (!driver.empty()) setenv("OCL_ICD_FILENAMES", driver.c_str(), 0);
}

const Library& load() {
  const std::string path = own_folder() + "/" + kEngineLibrary;
  if (!exists(path))
    throw Error(message("the SYCL engine (", kEngineLibrary, ") is not part of this build; "
                        "build it where intel-sycl-rt is installed, or use a wheel that has it, "
                        "with: pip install 'torch-xpu-lite[xpu]'"));
  // By its full path: the engine's library then finds it loaded already.
  const std::string sycl = find_library(kSyclLibrary);
  const char* name = sycl.empty() ? kSyclLibrary : sycl.c_str();
  void* runtime = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
  if (!runtime) {
    const std::string why = dlerror();
    throw Error(message("the SYCL runtime (", kSyclLibrary, ") could not be loaded: ", why,
                        kInstall));
  }
  name_opencl_driver(runtime); // before the runtime looks for drivers
  void* engine = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!engine) {
    const std::string why = dlerror();
    throw Error(message("the SYCL engine could not be loaded: ", why, kInstall));
  }
  using Entry = const Library* (*)();
  auto entry = reinterpret_cast<Entry>(dlsym(engine, "xpu_lite_xpu_library"));
  if (!entry) throw Error(message(path, " is not the SYCL engine of this version", kInstall));
  return *entry();
}

// Throws again at each use while it cannot be loaded.
const Library& library() {
  static std::mutex& mutex = *new std::mutex;
  static const Library* loaded = nullptr;
  std::lock_guard<std::mutex> lock(mutex);
  if (!loaded) loaded = &load();
  return *loaded;
}

bool has_render_node() {
  DIR* folder = opendir("/dev/dri");
  if (!folder) return false;
  bool any = false;
  while (const dirent* entry = readdir(folder))
    any |= std::strncmp(entry->d_name, "renderD", 7) == 0 &&
           access((std::string("/dev/dri/") + entry->d_name).c_str(), R_OK | W_OK) == 0;
  closedir(folder);
  return any;
}

} // namespace

bool installed() noexcept {
  try {
    return exists(own_folder() + "/" + kEngineLibrary);
  } catch (...) {
    return false;
  }
}

std::vector<std::string> found() {
  try {
    return library().found();
  } catch (const std::exception&) {
    return {}; // make_engine() says why
  }
}

std::string preferred() {
  if (!has_render_node() || !installed()) return "";
  for (const std::string& selector : found())
    if (selector == "level_zero:gpu") return selector;
  return "";
}

std::unique_ptr<Engine> make_engine(const std::string& selector, int count) {
  try {
    return library().make_engine(selector, count);
  } catch (const Error& e) {
    throw Error(message("XPU_LITE_DEVICES=", selector, ": ", e.what()));
  }
}

std::vector<std::string> describe() {
  try {
    return library().describe();
  } catch (const std::exception& e) {
    return {message("not available: ", e.what())};
  }
}

} // namespace xpu_lite::xpu
