// The user's kernels, and what the kernel library did, as plain C, for
// torch_xpu_lite.sycl, which calls by ctypes: no Python, no torch. A call that fails
// gives its kind and puts a message where xpu_lite_user_error() finds it, per thread.

#include <cstring>
#include <memory>

#include "backend/xpu/binary_cache.h"
#include "backend/xpu/kernel_library.h"
#include "backend/xpu/program.h"
#include "backend/xpu/user_kernel.h"

namespace {

using namespace xpu_lite;

enum Status { kOk, kCompile, kOutOfMemory, kError };

thread_local std::string kernel_error_text;

template <class Body>
int guarded_kernel(Body&& body) noexcept {
  try {
    body();
    return kOk;
  } catch (const xpu::CompileError& error) {
    kernel_error_text = error.what();
    return kCompile;
  } catch (const OutOfMemoryError& error) {
    kernel_error_text = error.what();
    return kOutOfMemory;
  } catch (const std::exception& error) {
    kernel_error_text = error.what();
    return kError;
  }
}

} // namespace

extern "C" {

const char* xpu_lite_user_error() { return kernel_error_text.c_str(); }

// The kernel lives as long as the process.
int xpu_lite_user_compile(int device, const char* source, const char* name,
                          const char* const* options, int count, void** kernel) {
  return guarded_kernel([&] {
    *kernel = new xpu::UserKernel(
        xpu::compile_user_kernel(device, source, name, {options, options + count}));
  });
}

size_t xpu_lite_user_arguments(const void* kernel) {
  return static_cast<const xpu::UserKernel*>(kernel)->arguments;
}

size_t xpu_lite_user_max_group(const void* kernel) {
  return static_cast<const xpu::UserKernel*>(kernel)->max_group_size;
}

const char* xpu_lite_user_log(const void* kernel) {
  return static_cast<const xpu::UserKernel*>(kernel)->log.c_str();
}

// On the calling thread's current stream of the device. `data` and `sizes` as in
// UserArgument.
int xpu_lite_user_launch(const void* kernel, int device, int dims, const size_t* global,
                         const size_t* local, const void* const* data, const size_t* sizes,
                         size_t count) {
  return guarded_kernel([&] {
    xpu::UserGrid grid{dims, {}, {}};
    std::memcpy(grid.global, global, dims * sizeof(size_t));
    std::memcpy(grid.local, local, dims * sizeof(size_t));
    std::vector<xpu::UserArgument> arguments(count);
    for (size_t i = 0; i < count; ++i) arguments[i] = {data[i], sizes[i]};
    xpu::launch_user_kernel(current_stream(device), *static_cast<const xpu::UserKernel*>(kernel),
                            grid, arguments);
  });
}

// {kernels of the package, taken from the disk cache, built} in this process.
void xpu_lite_kernel_counts(size_t* counts) {
  guarded_kernel([&] {
    counts[0] = xpu::kernel_count();
    counts[1] = xpu::build_counts().loaded;
    counts[2] = xpu::build_counts().built;
  });
}

// The folder of the disk cache; empty when none is in use.
const char* xpu_lite_cache_folder() {
  auto& cache = xpu::binary_cache();
  return cache.usable() ? cache.folder().c_str() : "";
}

} // extern "C"
