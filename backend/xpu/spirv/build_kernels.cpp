// Compiles one file of SYCL kernels to an archive of SPIR-V modules, with the
// compiler that the SYCL runtime carries: no toolkit is needed. The build calls it
// once per file.
//
//   build_kernels ROOT SOURCE OUTPUT [DEPFILE]     SOURCE is relative to ROOT
//
// The bundle is only compiled, not built: nothing is translated for a device, and
// any device serves.

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <sycl/sycl.hpp>

#include "backend/xpu/spirv/includes.h"
#include "backend/xpu/spirv/module.h"
#include "backend/xpu/spirv/write_archive.h"

namespace {

namespace syclex = sycl::ext::oneapi::experimental;
using namespace xpu_lite::xpu;

// pip puts the OpenCL CPU device beside libsycl, where no ICD loader looks.
void find_cpu_device() {
  Dl_info info{};
  auto* address = reinterpret_cast<const void*>(&sycl::device::get_devices);
  if (getenv("OCL_ICD_FILENAMES") || !dladdr(address, &info)) return;
  std::string library = info.dli_fname;
  library = library.substr(0, library.rfind('/')) + "/libintelocl.so";
  if (std::ifstream(library)) setenv("OCL_ICD_FILENAMES", library.c_str(), 0);
}

sycl::context any_context() {
  for (auto& device : sycl::device::get_devices())
    if (device.ext_oneapi_can_build(syclex::source_language::sycl)) return sycl::context(device);
  throw std::runtime_error("no SYCL device is there, and the compiler needs one to start: "
                           "pip install intel-opencl-rt");
}

// The message without the runtime's own lines around the compiler's.
std::string trimmed(std::string text) {
  for (const char* line : {"Device compilation failed\n", "Detailed information:\n\t",
                           "In file included from rtc_0.cpp:1:\n"})
    if (size_t at = text.find(line); at != std::string::npos) text.erase(at, std::string(line).size());
  return text;
}

std::vector<char> compile(const std::string& root, const std::string& source) {
  auto bundle = syclex::create_kernel_bundle_from_source(
      any_context(), syclex::source_language::sycl, "#include \"" + source + "\"\n");
  std::vector<std::string> options{"-I" + root, "-O3", "-fsycl-device-code-split=per_kernel"};
  std::string log;
  auto object = syclex::compile(
      bundle, syclex::properties{syclex::build_options{options}, syclex::save_log{&log}});
  std::fputs(log.c_str(), stderr); // warnings
  return object.ext_oneapi_get_content();
}

void write_depfile(const std::string& path, const std::string& output, const std::string& root,
                   const std::string& source) {
  std::ofstream out(path);
  out << output << ":";
  for (auto& name : project_includes(root, source)) out << " \\\n  " << root << "/" << name;
  out << "\n";
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: build_kernels ROOT SOURCE OUTPUT [DEPFILE]\n", stderr);
    return 2;
  }
  try {
    find_cpu_device();
    write_archive(argv[3], read_syclbin(compile(argv[1], argv[2])));
    if (argc > 4) write_depfile(argv[4], argv[3], argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[2], trimmed(error.what()).c_str());
    return 1;
  }
}
