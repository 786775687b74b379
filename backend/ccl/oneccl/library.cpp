#include "backend/ccl/oneccl/library.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <utility>
#include <vector>

#include "backend/ccl/transport.h"

namespace xpu_lite::ccl::oneccl {
namespace {

constexpr const char* kInstall = "pip install 'torch-xpu-lite[ccl]' (or oneccl-devel) installs it";

bool exists(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0;
}

// <env>/lib/python3.x/site-packages/torch_xpu_lite/lib/libxpu_lite_ccl.so -> <env>, and
// the folders above wherever this library lies.
std::vector<std::string> folders_above_this_library() {
  std::vector<std::string> folders;
  Dl_info info;
  if (!::dladdr(reinterpret_cast<void*>(&set_interface), &info) || !info.dli_fname) return folders;
  char* real = ::realpath(info.dli_fname, nullptr);
  std::string path = real ? real : info.dli_fname;
  std::free(real);
  for (size_t end; (end = path.rfind('/')) != std::string::npos && end > 0;) {
    path.resize(end);
    folders.push_back(path);
  }
  return folders;
}

// The folders that may hold lib/libccl.so.2: what the user says, the running Python's
// environment, where this library is installed.
std::vector<std::string> candidates() {
  std::vector<std::string> roots;
  for (const char* name : {"CCL_ROOT", "VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const char* value = std::getenv(name); value && *value) roots.push_back(value);
  char* self = ::realpath("/proc/self/exe", nullptr); // of a conda Python, not of a venv's
  if (self) {
    std::string path = self;
    std::free(self);
    for (int up = 0; up < 2 && path.rfind('/') != std::string::npos; ++up)
      path.resize(path.rfind('/'));
    roots.push_back(path);
  }
  for (const std::string& folder : folders_above_this_library()) roots.push_back(folder);
  // The environment whose python3 a shell would start: for programs without Python.
  std::string path = std::getenv("PATH") ? std::getenv("PATH") : "";
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find(':', at), path.size());
    if (const std::string folder = path.substr(at, end - at); exists(folder + "/python3"))
      roots.push_back(folder + "/..");
    at = end + 1;
  }
  return roots;
}

void set_default(const char* name, const std::string& value) {
  ::setenv(name, value.c_str(), 0);
}

// What oneCCL reads when it starts. Its worker thread is off: the calling thread
// moves the data itself, which took 8 bytes from 10 ms to 0.2 ms where cores are few.
void set_environment(const std::string& root) {
  set_default("CCL_ROOT", root);
  if (const std::string lib = root + "/lib"; exists(lib + "/libtcp-fi.so"))
    set_default("FI_PROVIDER_PATH", lib);
  else if (exists(root + "/opt/mpi/libfabric/lib/prov"))
    set_default("FI_PROVIDER_PATH", root + "/opt/mpi/libfabric/lib/prov");
  set_default("CCL_ATL_TRANSPORT", "ofi");
  set_default("CCL_PROCESS_LAUNCHER", "none");
  if (std::string(std::getenv("CCL_ATL_TRANSPORT")) == "mpi") {
    if (const std::string mpi = root + "/lib/libmpi.so.12"; exists(mpi))
      set_default("CCL_MPI_LIBRARY_PATH", mpi); // else it quietly takes libfabric
  } else {
    set_default("FI_PROVIDER", "tcp");
  }
  set_default("CCL_WORKER_OFFLOAD", "0");
  set_default("CCL_YIELD", "sched_yield");
  set_default("CCL_LOG_LEVEL", "error");
}

void* load(const std::string& path) {
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw Error(message("cannot be loaded: ", ::dlerror(), ". ", kInstall));
  return handle;
}

template <class Function>
void find(void* handle, const char* name, Function& function) {
  void* symbol = ::dlsym(handle, name);
  if (!symbol) throw Error(message("libccl.so.2 has no function ", name, ". ", kInstall));
  function = reinterpret_cast<Function>(symbol);
}

Library load_library() {
  std::string root;
  for (const std::string& candidate : candidates()) {
    if (!exists(candidate + "/lib/libccl.so.2")) continue;
    root = candidate;
    break;
  }
  if (root.empty()) throw Error(message("libccl.so.2 was not found. ", kInstall));
  set_environment(root);
  // What oneCCL opens by name later must be in memory by then: its folder is on no
  // search path.
  const std::string lib = root + "/lib/";
  for (const char* name : {"libintlc.so.5", "libimf.so", "libsvml.so", "libirng.so",
                           "libsycl.so.9", "libsycl.so.8"})
    if (exists(lib + name)) load(lib + name);
  void* handle = load(lib + "libccl.so.2");
  load(lib + "libccl.so.1");
  load(lib + "libccl_legacy_cpu.so"); // the part for host memory
  Library library;
  library.path = lib + "libccl.so.2";
  Functions& call = library.call;
  find(handle, "onecclGetVersion", call.get_version);
  find(handle, "onecclGetUniqueId", call.get_unique_id);
  find(handle, "onecclCommInitRankConfig", call.comm_init);
  find(handle, "onecclCommDestroy", call.comm_destroy);
  find(handle, "onecclGetErrorString", call.error_string);
  find(handle, "onecclAllReduce", call.all_reduce);
  find(handle, "onecclReduce", call.reduce);
  find(handle, "onecclBroadcast", call.broadcast);
  find(handle, "onecclAllGather", call.all_gather);
  find(handle, "onecclAllToAll", call.all_to_all);
  int version = 0;
  if (const int code = call.get_version(&version); code != 0)
    throw Error(message("does not start: ", call.error_string(code)));
  library.version = message(version / 10000, '.', version / 100 % 100, '.', version % 100);
  return library;
}

std::mutex mutex;
bool looked = false;
Library found;
std::string missing;

} // namespace

const Library& library() {
  std::lock_guard lock(mutex);
  if (!std::exchange(looked, true)) {
    try {
      found = load_library();
    } catch (const std::exception& error) {
      missing = error.what();
    }
  }
  if (!missing.empty()) throw Error(missing);
  return found;
}

void set_interface(const std::string& interface) {
  static std::once_flag once;
  std::call_once(once, [&] {
    if (interface.empty()) return;
    set_default("CCL_KVS_IFACE", interface);
    set_default("FI_TCP_IFACE", interface);
  });
}

} // namespace xpu_lite::ccl::oneccl

namespace xpu_lite::ccl {

std::string oneccl_missing() {
  try {
    oneccl::library();
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

} // namespace xpu_lite::ccl
