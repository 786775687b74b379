// Programs of OpenCL devices.

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 210
#endif
#include <CL/cl.h>
#include <dlfcn.h>

#include "backend/runtime/error.h"
#include "backend/xpu/native_program.h"

#include <sycl/backend/opencl.hpp>

namespace xpu_lite::xpu {
namespace {

// The functions of the library that the SYCL runtime has loaded already: linking
// one would bring a second.
struct OpenClFunctions {
  decltype(&clCreateProgramWithIL) create_with_il;
  decltype(&clCreateProgramWithBinary) create_with_binary;
  decltype(&clBuildProgram) build;
  decltype(&clGetProgramInfo) info;
  decltype(&clGetProgramBuildInfo) build_info;
  decltype(&clReleaseProgram) release;
  decltype(&clCreateKernel) create_kernel;
  decltype(&clReleaseKernel) release_kernel;

  bool load() {
    void* library = dlopen("libOpenCL.so.1", RTLD_LAZY | RTLD_NOLOAD);
    if (!library) return false;
    auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      return function != nullptr;
    };
    return find(create_with_il, "clCreateProgramWithIL") &&
           find(create_with_binary, "clCreateProgramWithBinary") &&
           find(build, "clBuildProgram") && find(info, "clGetProgramInfo") &&
           find(build_info, "clGetProgramBuildInfo") && find(release, "clReleaseProgram") &&
           find(create_kernel, "clCreateKernel") && find(release_kernel, "clReleaseKernel");
  }
};

class OpenClCompiler : public NativeCompiler {
 public:
  explicit OpenClCompiler(const OpenClFunctions& functions) : cl_(functions) {}

  NativeProgram from_spirv(const sycl::context& context, const sycl::device& device,
                           const char* spirv, size_t size, const std::string& entry) override {
    cl_int status = 0;
    cl_context native = sycl::get_native<sycl::backend::opencl>(context);
    Program program{cl_, cl_.create_with_il(native, spirv, size, &status)};
    if (status) throw Error(message("clCreateProgramWithIL: OpenCL error ", status));
    sycl::kernel kernel = finish(context, device, program.handle, entry);
    return {std::move(kernel), binary_of(program.handle)};
  }

  sycl::kernel from_binary(const sycl::context& context, const sycl::device& device,
                           const std::vector<char>& binary, const std::string& entry) override {
    cl_int status = 0, accepted = 0;
    cl_context native = sycl::get_native<sycl::backend::opencl>(context);
    cl_device_id id = sycl::get_native<sycl::backend::opencl>(device);
    size_t size = binary.size();
    auto* data = reinterpret_cast<const unsigned char*>(binary.data());
    Program program{cl_, cl_.create_with_binary(native, 1, &id, &size, &data, &accepted, &status)};
    if (status || accepted)
      throw Error(message("clCreateProgramWithBinary: OpenCL error ", status ? status : accepted));
    return finish(context, device, program.handle, entry);
  }

 private:
  struct Program {
    const OpenClFunctions& cl;
    cl_program handle;
    ~Program() {
      if (handle) cl.release(handle); // kernels hold their program
    }
  };

  sycl::kernel finish(const sycl::context& context, const sycl::device& device,
                      cl_program program, const std::string& entry) {
    cl_device_id id = sycl::get_native<sycl::backend::opencl>(device);
    if (cl_int status = cl_.build(program, 1, &id, "", nullptr, nullptr))
      throw Error(message("OpenCL error ", status, ": ", build_log(program, id)));
    cl_int status = 0;
    cl_kernel kernel = cl_.create_kernel(program, entry.c_str(), &status);
    if (status) throw Error(message("clCreateKernel(", entry, "): OpenCL error ", status));
    try { // the SYCL kernel retains it
      auto made = sycl::make_kernel<sycl::backend::opencl>(kernel, context);
      cl_.release_kernel(kernel);
      return made;
    } catch (const sycl::exception& error) {
      cl_.release_kernel(kernel);
      throw Error(error.what());
    }
  }

  std::string build_log(cl_program program, cl_device_id id) {
    size_t size = 0;
    cl_.build_info(program, id, CL_PROGRAM_BUILD_LOG, 0, nullptr, &size);
    std::string log(size, '\0');
    cl_.build_info(program, id, CL_PROGRAM_BUILD_LOG, size, log.data(), nullptr);
    while (!log.empty() && (log.back() == '\0' || log.back() == '\n')) log.pop_back();
    return log;
  }

  // The binary of the one device of the program's context that it was built for.
  std::vector<char> binary_of(cl_program program) {
    cl_uint devices = 0;
    if (cl_.info(program, CL_PROGRAM_NUM_DEVICES, sizeof devices, &devices, nullptr) || !devices)
      return {};
    std::vector<size_t> sizes(devices);
    cl_.info(program, CL_PROGRAM_BINARY_SIZES, devices * sizeof(size_t), sizes.data(), nullptr);
    std::vector<std::vector<char>> binaries(devices);
    std::vector<char*> pointers(devices);
    for (cl_uint i = 0; i < devices; ++i) {
      binaries[i].resize(sizes[i]);
      pointers[i] = sizes[i] ? binaries[i].data() : nullptr;
    }
    if (cl_.info(program, CL_PROGRAM_BINARIES, devices * sizeof(char*), pointers.data(), nullptr))
      return {};
    for (auto& binary : binaries)
      if (!binary.empty()) return std::move(binary);
    return {};
  }

  OpenClFunctions cl_;
};

} // namespace

NativeCompiler* opencl_compiler() {
  static NativeCompiler* compiler = []() -> NativeCompiler* {
    OpenClFunctions functions{};
    return functions.load() ? new OpenClCompiler(functions) : nullptr;
  }();
  return compiler;
}

} // namespace xpu_lite::xpu
