#include "backend/xpu/devices.h"

#include <algorithm>
#include <cmath>

#include "backend/runtime/error.h"

namespace xpu_lite::xpu {
namespace {

std::string selector_of(const sycl::device& device) {
  const sycl::backend backend = device.get_backend();
  if (backend == sycl::backend::ext_oneapi_level_zero && device.is_gpu()) return "level_zero:gpu";
  if (backend == sycl::backend::opencl && device.is_cpu()) return "opencl:cpu";
  if (backend == sycl::backend::opencl && device.is_gpu()) return "opencl:gpu";
  return "";
}

// Devices of the first platform that has any: a context cannot span two.
std::vector<sycl::device> whole_devices(const std::string& selector) {
  for (const sycl::platform& platform : sycl::platform::get_platforms()) {
    std::vector<sycl::device> some;
    for (const sycl::device& device : platform.get_devices())
      if (selector_of(device) == selector) some.push_back(device);
    if (!some.empty()) return some;
  }
  return {};
}

std::vector<sycl::device> equal_shares(const sycl::device& device, size_t count) {
  using sycl::info::partition_property;
  const auto ways = device.get_info<sycl::info::device::partition_properties>();
  if (std::find(ways.begin(), ways.end(), partition_property::partition_equally) == ways.end())
    return {};
  const size_t units = device.get_info<sycl::info::device::max_compute_units>();
  if (units < count) return {};
  auto parts = device.create_sub_devices<partition_property::partition_equally>(units / count);
  if (parts.size() > count) parts.resize(count);
  return parts;
}

std::vector<sycl::device> tiles(const sycl::device& device) {
  using sycl::info::partition_property;
  const auto ways = device.get_info<sycl::info::device::partition_properties>();
  if (std::find(ways.begin(), ways.end(), partition_property::partition_by_affinity_domain) ==
      ways.end())
    return {};
  try {
    return device.create_sub_devices<partition_property::partition_by_affinity_domain>(
        sycl::info::partition_affinity_domain::next_partitionable);
  } catch (const sycl::exception&) {
    return {}; // one tile
  }
}

} // namespace

std::vector<std::string> found_selectors() {
  std::vector<std::string> found;
  for (const char* selector : {"level_zero:gpu", "opencl:cpu", "opencl:gpu"})
    if (!whole_devices(selector).empty()) found.push_back(selector);
  return found;
}

Devices select_devices(const std::string& selector, int count) {
  const std::vector<sycl::device> whole = whole_devices(selector);
  if (whole.empty()) {
    std::string there;
    for (const std::string& other : found_selectors()) there += (there.empty() ? "" : ", ") + other;
    const char* hint = selector == "opencl:cpu"
        ? "; its driver is installed with: pip install intel-opencl-rt (and OCL_ICD_FILENAMES, if "
          "it is set, must name libintelocl.so)"
        : "; the GPU's driver (intel-level-zero-gpu or intel-opencl-icd) must be installed, and "
          "/dev/dri/renderD* must be readable and writable for this user";
    throw Error(message("no such device; SYCL devices found: ",
                        there.empty() ? "none" : there, hint));
  }
  const size_t wanted = count > 0 ? static_cast<size_t>(count) : whole.size();
  Devices result;
  if (wanted <= whole.size()) {
    result.devices.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(wanted));
    result.memory = result.devices;
    return result;
  }
  const size_t share = (wanted + whole.size() - 1) / whole.size();
  for (const sycl::device& device : whole) {
    std::vector<sycl::device> parts = device.is_cpu() ? equal_shares(device, share) : tiles(device);
    if (parts.size() < share) parts.assign(share, device);
    for (size_t i = 0; i < share && result.devices.size() < wanted; ++i) {
      result.devices.push_back(parts[i]);
      result.memory.push_back(device.is_cpu() ? device : parts[i]);
    }
  }
  return result;
}

namespace {

struct NamedAspect {
  sycl::aspect aspect;
  const char* name;
};
constexpr NamedAspect kAspects[] = {
    {sycl::aspect::fp16, "fp16"},
    {sycl::aspect::fp64, "fp64"},
    {sycl::aspect::atomic64, "atomic64"},
    {sycl::aspect::usm_device_allocations, "usm_device"},
    {sycl::aspect::usm_host_allocations, "usm_host"},
    {sycl::aspect::usm_shared_allocations, "usm_shared"},
    {sycl::aspect::usm_system_allocations, "usm_system"},
    {sycl::aspect::queue_profiling, "queue_profiling"},
    {sycl::aspect::ext_oneapi_queue_profiling_tag, "profiling_tag"},
    {sycl::aspect::ext_intel_free_memory, "free_memory"},
    {sycl::aspect::ext_intel_matrix, "matrix"},
};

template <class Values>
std::string list(const Values& values) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ", ") + message(value);
  return text;
}

void describe(const sycl::device& device, std::vector<std::string>& lines) {
  namespace info = sycl::info::device;
  const std::string selector = selector_of(device);
  std::vector<std::string> aspects;
  for (const NamedAspect& named : kAspects)
    if (device.has(named.aspect)) aspects.push_back(named.name);
  constexpr double kGiB = 1 << 30;
  lines.push_back(message(selector.empty() ? "(not a device of xpu-lite)" : selector, ": ",
                          device.get_info<info::name>(), ", ", device.get_info<info::vendor>()));
  lines.push_back(message("  driver: ", device.get_info<info::driver_version>(), " (",
                          device.get_platform().get_info<sycl::info::platform::name>(), ", ",
                          device.get_info<info::version>(), ")"));
  lines.push_back(message(
      "  ", device.get_info<info::max_compute_units>(), " compute units, ",
      std::round(static_cast<double>(device.get_info<info::global_mem_size>()) / kGiB * 10) / 10,
      " GiB, at most ",
      std::round(static_cast<double>(device.get_info<info::max_mem_alloc_size>()) / kGiB * 10) / 10,
      " GiB at once, ", device.get_info<info::local_mem_size>() / 1024,
      " KiB of local memory, groups of up to ", device.get_info<info::max_work_group_size>()));
  lines.push_back("  sub-groups: " + list(device.get_info<info::sub_group_sizes>()));
  lines.push_back("  aspects: " + list(aspects));
}

} // namespace

std::vector<std::string> describe_devices() {
  std::vector<std::string> lines;
  for (const sycl::platform& platform : sycl::platform::get_platforms())
    for (const sycl::device& device : platform.get_devices()) describe(device, lines);
  if (lines.empty()) lines.push_back("the SYCL runtime is there, but no device with a driver");
  return lines;
}

} // namespace xpu_lite::xpu
