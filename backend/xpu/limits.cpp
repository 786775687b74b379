// What a device can do, asked once.

#include <algorithm>
#include <array>
#include <mutex>

#include "backend/runtime/error.h"
#include "backend/runtime/options.h"
#include "backend/xpu/launch.h"
#include "backend/xpu/sycl_queue.h"

namespace xpu_lite::xpu {
namespace {

namespace info = sycl::info::device;
constexpr int kMaxDevices = 64;

bool has(const sycl::device& device, sycl::aspect aspect, const char* name) {
  return device.has(aspect) && options().without.find(name) == std::string::npos;
}

// What the compiler takes for float kernels, as far as it can be asked.
size_t preferred_sub_group(const sycl::device& device) {
  auto sizes = device.get_info<info::sub_group_sizes>();
  if (sizes.empty()) return 1;
  std::sort(sizes.begin(), sizes.end());
  size_t wanted = device.is_cpu() ? device.get_info<info::native_vector_width_float>() : 16;
  for (size_t size : sizes)
    if (size >= wanted) return size;
  return sizes.back();
}

Limits ask(const sycl::device& device) {
  return {
      device.get_info<info::max_work_group_size>(),
      device.get_info<info::local_mem_size>(),
      preferred_sub_group(device),
      std::max<size_t>(1, device.get_info<info::max_compute_units>()),
      device.is_cpu(),
      has(device, sycl::aspect::fp64, "fp64"),
      has(device, sycl::aspect::fp16, "fp16"),
      has(device, sycl::aspect::atomic64, "atomic64"),
  };
}

} // namespace

const Limits& limits(int device) {
  static std::array<std::once_flag, kMaxDevices> once;
  static std::array<Limits, kMaxDevices> all;
  if (device < 0 || device >= kMaxDevices) throw Error(message("no device ", device));
  std::call_once(once[device], [&] { all[device] = ask(xpu::device(device)); });
  return all[device];
}

Grid grid_for(int device, size_t items, size_t group_size) {
  const Limits& limit = limits(device);
  if (!group_size) group_size = 256;
  group_size = std::min(group_size, limit.max_group_size);
  // A GPU's vector engine holds 8 threads of a sub-group each, and needs several
  // waves of them to even out; a core of a CPU runs one group at a time.
  const size_t busy = limit.is_cpu
                          ? limit.compute_units * 8
                          : limit.compute_units * 8 * limit.sub_group_size * 4 / group_size + 1;
  const size_t groups = (items + group_size - 1) / group_size;
  return {std::clamp<size_t>(groups, 1, std::max<size_t>(busy, 1)), group_size};
}

} // namespace xpu_lite::xpu
