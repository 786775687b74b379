#include "backend/xpu/program.h"

#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include "backend/runtime/error.h"
#include "backend/xpu/binary_cache.h"
#include "backend/xpu/kernel_library.h"
#include "backend/xpu/launch.h"
#include "backend/xpu/native_program.h"
#include "backend/xpu/spirv/archive.h"
#include "backend/xpu/sycl_queue.h"

namespace xpu_lite::xpu {
namespace {

// Part of every cache key: raised when binaries of an older build must not be used.
constexpr char kVersion[] = "xpu_lite 1";
constexpr int kMostDevices = 64;

std::atomic<size_t> loaded{0}, built{0};

std::string describe(int device) {
  return message("device ", device, " (", xpu::device(device).get_info<sycl::info::device::name>(),
                 ")");
}

// Everything of a device that a binary depends on.
std::string make_device_key(int device) {
  auto& d = xpu::device(device);
  auto platform = d.get_platform();
  return message(kVersion, "\n", __LIBSYCL_MAJOR_VERSION, ".", __LIBSYCL_MINOR_VERSION, " ",
                 __SYCL_COMPILER_VERSION, "\n", platform.get_info<sycl::info::platform::name>(),
                 "\n", platform.get_info<sycl::info::platform::version>(), "\n",
                 d.get_info<sycl::info::device::name>(), "\n",
                 d.get_info<sycl::info::device::version>(), "\n",
                 d.get_info<sycl::info::device::driver_version>(), "\n");
}

const std::string& device_key(int device) {
  static std::array<std::once_flag, kMostDevices> once;
  static std::array<std::string, kMostDevices>& keys = *new std::array<std::string, kMostDevices>;
  std::call_once(once[device], [&] { keys[device] = make_device_key(device); });
  return keys[device];
}

void require(int device, const std::string& label, uint32_t needs) {
  const Limits& has = limits(device);
  auto refuse = [&](const char* what, const char* advice) {
    throw Error(message("the kernel ", label, " needs ", what, ", which ", describe(device),
                        " does not have; ", advice));
  };
  if ((needs & kNeedsFp64) && !has.has_fp64)
    refuse("float64", "use float32 (tensor.to(torch.float32); complex64 for complex128), or do "
                      "this part on the CPU");
  if ((needs & kNeedsFp16) && !has.has_fp16)
    refuse("float16", "use float32 or bfloat16");
  if ((needs & kNeedsAtomic64) && !has.has_atomic64)
    refuse("64-bit atomics", "use a 32-bit dtype, or do this part on the CPU");
}

sycl::kernel build(int device, const char* spirv, size_t size, uint64_t hash,
                   const std::string& entry) {
  const sycl::device& d = xpu::device(device);
  const sycl::context& context = xpu::context();
  NativeCompiler* compiler = native_compiler(d);
  if (!compiler) {
    ++built;
    return sycl_program(context, d, spirv, size, entry);
  }
  const std::string key = message(device_key(device), entry, " ", size, " ", hash);
  if (std::vector<char> binary = binary_cache().load(key); !binary.empty()) try {
    sycl::kernel kernel = compiler->from_binary(context, d, binary, entry);
    ++loaded;
    return kernel;
  } catch (const Error&) { // the driver says no: it is built, and written, again
  }
  ++built;
  try {
    NativeProgram program = compiler->from_spirv(context, d, spirv, size, entry);
    binary_cache().store(key, program.binary);
    return program.kernel;
  } catch (const Error& refused) {
    // SYCL's own way, should a driver's interface differ from what we know of it.
    try {
      return sycl_program(context, d, spirv, size, entry);
    } catch (const Error&) {
      throw Error(refused);
    }
  }
}

// The kernels of one device, by their index in the library.
struct ProgramTable {
  explicit ProgramTable(size_t count) : slots(count) {}
  std::vector<std::atomic<const BuiltKernel*>> slots;
};

ProgramTable& table(int device) {
  static std::array<std::atomic<ProgramTable*>, kMostDevices> tables{};
  if (device < 0 || device >= kMostDevices) throw Error(message("no device ", device));
  ProgramTable* found = tables[device].load(std::memory_order_acquire);
  if (found) return *found;
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  if (!tables[device].load()) tables[device].store(new ProgramTable(kernel_count()));
  return *tables[device].load();
}

BuiltKernel make(int device, const char* spirv, size_t size, uint64_t hash, uint32_t needs,
                 const std::string& entry, const std::string& label) {
  require(device, label, needs);
  try {
    sycl::kernel kernel = build(device, spirv, size, hash, entry);
    size_t group = kernel.get_info<sycl::info::kernel_device_specific::work_group_size>(
        xpu::device(device));
    return {std::move(kernel), label, group};
  } catch (const std::exception& error) { // Error or sycl::exception
    throw Error(message("the kernel ", label, " does not build for ", describe(device), ": ",
                        error.what()));
  }
}

const BuiltKernel& first_use(int device, const KernelImage& image,
                             std::atomic<const BuiltKernel*>& slot) {
  // Kernels that differ build side by side.
  static std::array<std::mutex, 32> mutexes;
  std::lock_guard lock(mutexes[image.index % mutexes.size()]);
  if (auto* done = slot.load(std::memory_order_acquire)) return *done;
  if (hash_bytes(image.spirv, image.size) != image.hash) // drivers crash on broken SPIR-V
    throw Error(message("the kernel ", image.name, " in ", kernel_folder(),
                        " is damaged; install the package again"));
  auto* done = new BuiltKernel(make(device, image.spirv, image.size, image.hash, image.needs,
                                    entry_point(image.name), std::string(image.name)));
  slot.store(done, std::memory_order_release);
  return *done;
}

} // namespace

const BuiltKernel& built_kernel(int device, std::string_view name) {
  const KernelImage* image = find_kernel(name);
  if (!image)
    throw Error(message("no kernel is named ", name, " among the ", kernel_count(), " of ",
                        kernel_folder()));
  auto& slot = table(device).slots[image->index];
  if (auto* done = slot.load(std::memory_order_acquire)) return *done;
  return first_use(device, *image, slot);
}

BuiltKernel build_module(int device, const char* spirv, size_t size, const std::string& entry,
                         const std::string& label) {
  return make(device, spirv, size, hash_bytes(spirv, size), 0, entry, label);
}

BuildCounts build_counts() { return {loaded.load(), built.load()}; }

} // namespace xpu_lite::xpu
