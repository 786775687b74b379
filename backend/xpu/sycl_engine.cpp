// Devices, raw memory and blocking copies of the SYCL engine, and the one function
// through which libxpu_lite.so gets it.

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <optional>

#include "backend/runtime/device.h"
#include "backend/runtime/error.h"
#include "backend/runtime/host_memory.h"
#include "backend/runtime/options.h"
#include "backend/xpu/device_pointer.h"
#include "backend/xpu/devices.h"
#include "backend/xpu/engine.h"
#include "backend/xpu/launch.h"
#include "backend/xpu/sycl_error.h"
#include "backend/xpu/sycl_queue.h"
#include "backend/xpu/sycl_stream.h"

namespace xpu_lite::xpu {
namespace {

namespace syclex = sycl::ext::oneapi::experimental;

DeviceProperties properties_of(const sycl::device& device, const std::string& selector) {
  DeviceProperties p;
  p.name = device.get_info<sycl::info::device::name>();
  p.vendor = device.get_info<sycl::info::device::vendor>();
  p.engine = selector;
  p.isa = device.get_info<sycl::info::device::version>();
  p.total_memory = static_cast<int64_t>(device.get_info<sycl::info::device::global_mem_size>());
  p.cores = static_cast<int>(device.get_info<sycl::info::device::max_compute_units>());
  // "OpenCL 3.0 (Build 0)" or "1.6": the version of the interface.
  const size_t digit = p.isa.find_first_of("0123456789");
  if (digit == std::string::npos ||
      std::sscanf(p.isa.c_str() + digit, "%d.%d", &p.major, &p.minor) < 1 || p.major < 1)
    p.major = 1;
  const auto has = [&](sycl::aspect aspect, const char* name) { // as kernels are told
    return device.has(aspect) && options().without.find(name) == std::string::npos;
  };
  p.has_fp64 = has(sycl::aspect::fp64, "fp64");
  p.has_fp16 = has(sycl::aspect::fp16, "fp16");
  return p;
}

class SyclEngine final : public Engine {
 public:
  SyclEngine(const std::string& selector, Devices devices)
      : kind_(selector),
        devices_(std::move(devices)),
        context_(make_context(devices_)),
        tag_(options().guard ? kGuardTag : 0),
        host_readable_(devices_.devices[0].is_cpu()) {
    for (size_t i = 0; i < devices_.devices.size(); ++i) {
      properties_.push_back(properties_of(devices_.devices[i], selector));
      copy_queues_.emplace_back(context_, devices_.devices[i],
                                sycl::property_list{sycl::property::queue::in_order(),
                                                    sycl::property::queue::enable_profiling()});
    }
    clock_offsets_.resize(copy_queues_.size());
  }

  const char* kind() const noexcept override { return kind_.c_str(); }
  int device_count() const noexcept override { return static_cast<int>(properties_.size()); }
  const DeviceProperties& properties(int device) const override { return properties_[device]; }

  bool supports(Feature feature) const noexcept override {
    switch (feature) {
      case Feature::HostReadableMemory: return host_readable_ && tag_ == 0;
      case Feature::HostTasks: return true;
      case Feature::CoreSets: return false;
      case Feature::Priorities: return true;
      case Feature::DeviceQueues: return true;
    }
    return false;
  }

  void* allocate(int device, size_t bytes) override {
    {
      std::lock_guard<std::mutex> lock(unused_mutex_);
      free_unused();
    }
    if (host_readable_ && !budget_.fits(bytes)) return nullptr;
    const bool huge = host_readable_ && bytes >= kHugePage && options().huge_pages;
    void* p = or_null([&] {
      return sycl::aligned_alloc_device(huge ? kHugePage : kAlignment, bytes,
                                        devices_.memory[device], context_);
    });
    if (!p) return nullptr;
    if (huge) madvise(p, bytes / kHugePage * kHugePage, MADV_HUGEPAGE); // as the host engine's
    if (host_readable_) budget_.took(bytes);
    held_.fetch_add(bytes, std::memory_order_relaxed);
    return reinterpret_cast<void*>(reinterpret_cast<uint64_t>(p) | tag_);
  }

  // Work in flight may use the memory, and the caller may hold locks that this work
  // needs: nothing waits here. What is in use goes when the queues have passed it.
  void free(int, void* ptr, size_t bytes) noexcept override {
    if (host_readable_) budget_.gave(bytes);
    held_.fetch_sub(bytes, std::memory_order_relaxed);
    try {
      Unused unused{device_pointer(ptr), {}};
      std::lock_guard<std::mutex> lock(unused_mutex_);
      for (sycl::queue& queue : queues_)
        if (!queue.ext_oneapi_empty()) unused.uses.push_back(queue.ext_oneapi_submit_barrier());
      unused_.push_back(std::move(unused));
      free_unused();
    } catch (...) {
      // A lost device: its memory is gone anyway.
    }
  }

  void* allocate_host(size_t bytes) override {
    if (!budget_.fits(bytes)) return nullptr;
    void* p = or_null([&] { return sycl::aligned_alloc_host(kHostAlignment, bytes, context_); });
    if (p) budget_.took(bytes);
    return p;
  }

  void free_host(void* ptr, size_t bytes) noexcept override {
    try {
      sycl::free(ptr, context_);
    } catch (...) {
      return;
    }
    budget_.gave(bytes);
  }

  std::pair<size_t, size_t> memory_info(int device) const override {
    if (host_readable_) {
      const HostMemory memory = host_memory();
      return {memory.available, memory.total};
    }
    const sycl::device& d = devices_.memory[device];
    const auto total = static_cast<size_t>(properties_[device].total_memory);
    if (d.has(sycl::aspect::ext_intel_free_memory))
      return {d.get_info<sycl::ext::intel::info::device::free_memory>(), total};
    return {total - std::min(total, held_.load()), total};
  }

  void copy(void* dst, int dst_device, const void* src, int src_device, size_t bytes) override {
    if (bytes == 0) return;
    sycl::queue& queue = copy_queues_[dst_device >= 0 ? dst_device : std::max(src_device, 0)];
    with_errors([&] { return message("copy of ", bytes, " bytes"); },
                [&] { queue.memcpy(device_pointer(dst), device_pointer(src), bytes).wait(); });
  }

  bool can_access_peer(int device, int peer) const noexcept override {
    if (device == peer || host_readable_) return true;
    try {
      sycl::device self = devices_.devices[device]; // the query is not const
      return self.ext_oneapi_can_access_peer(devices_.devices[peer]);
    } catch (...) {
      return false;
    }
  }

  int64_t clock_offset_ns(int device) {
    std::lock_guard<std::mutex> lock(clock_mutex_);
    std::optional<int64_t>& offset = clock_offsets_[device];
    if (!offset) offset = measure_clock_offset(copy_queues_[device]);
    return *offset;
  }

  std::unique_ptr<Queue> make_queue(int device, const QueueOptions& options) override {
    if (!options.cores.empty())
      throw ValueError(message("a stream of ", kind_, " cannot be given cores of its own; only "
                               "streams of the host engine can"));
    return with_errors([] { return std::string("making of a stream"); }, [&] {
      auto made = std::make_unique<SyclQueue>(context_, devices_.devices[device], device,
                                              options.priority);
      std::lock_guard<std::mutex> lock(unused_mutex_);
      queues_.push_back(*static_cast<sycl::queue*>(made->native_handle()));
      return made;
    });
  }

  const sycl::context& context() const { return context_; }
  const sycl::device& device(int index) const { return devices_.devices[index]; }

 private:
  static constexpr size_t kAlignment = 512, kHostAlignment = 4096, kHugePage = size_t{2} << 20;

  struct Unused { // memory that was given back, and what may still use it
    void* data;
    std::vector<sycl::event> uses;
  };

  void free_unused() noexcept {
    std::erase_if(unused_, [&](Unused& unused) {
      for (const sycl::event& event : unused.uses)
        if (event.get_info<sycl::info::event::command_execution_status>() !=
            sycl::info::event_command_status::complete)
          return false;
      try {
        sycl::free(unused.data, context_);
      } catch (...) {
        // A lost device: its memory is gone anyway.
      }
      return true;
    });
  }

  // A driver that refuses a size throws; a device that is lost will say so in its
  // next work.
  template <class Allocate>
  static void* or_null(Allocate&& allocate) {
    try {
      return allocate();
    } catch (const sycl::exception&) {
      return nullptr;
    }
  }

  static std::vector<sycl::device> context_devices(const Devices& devices) {
    std::vector<sycl::device> all;
    for (const auto* list : {&devices.devices, &devices.memory})
      for (const sycl::device& d : *list)
        if (std::find(all.begin(), all.end(), d) == all.end()) all.push_back(d);
    return all;
  }

  // The platform's own context where it has all devices: what other SYCL libraries in
  // the process use too, so that they can work on our memory and we on theirs.
  static sycl::context make_context(const Devices& devices) {
    const std::vector<sycl::device> all = context_devices(devices);
    const sycl::context shared = all[0].get_platform().khr_get_default_context();
    const std::vector<sycl::device> there = shared.get_devices();
    const bool complete = std::all_of(all.begin(), all.end(), [&](const sycl::device& d) {
      return std::find(there.begin(), there.end(), d) != there.end();
    });
    return complete ? shared : sycl::context(all);
  }

  // The runtime gives the time of a submission on the device's clock: compared with
  // the host's around it. The tightest of some tries counts.
  static int64_t measure_clock_offset(sycl::queue& queue) {
    using Clock = std::chrono::steady_clock;
    int64_t best = 0, width = INT64_MAX;
    for (int i = 0; i < 8; ++i) {
      const int64_t before = Clock::now().time_since_epoch().count();
      sycl::event event = syclex::submit_profiling_tag(queue);
      const int64_t after = Clock::now().time_since_epoch().count();
      event.wait();
      const auto submitted = static_cast<int64_t>(
          event.get_profiling_info<sycl::info::event_profiling::command_submit>());
      if (after - before >= width) continue;
      width = after - before;
      best = before + width / 2 - submitted;
    }
    return best;
  }

  const std::string kind_;
  Devices devices_;
  sycl::context context_;
  const uint64_t tag_;
  const bool host_readable_; // but for the guard
  std::vector<DeviceProperties> properties_;
  std::vector<sycl::queue> copy_queues_;
  std::mutex clock_mutex_;
  std::vector<std::optional<int64_t>> clock_offsets_;
  std::atomic<size_t> held_{0};
  std::mutex unused_mutex_; // of the two below
  std::vector<sycl::queue> queues_; // of all streams, which live as long as the process
  std::vector<Unused> unused_;
  HostBudget budget_;
};

SyclEngine& chosen() { return static_cast<SyclEngine&>(engine()); }

std::unique_ptr<Engine> make(const std::string& selector, int count) {
  return with_errors([] { return std::string("looking for devices"); }, [&] {
    return std::make_unique<SyclEngine>(selector, select_devices(selector, count));
  });
}

} // namespace

const sycl::context& context() { return chosen().context(); }
const sycl::device& device(int index) { return chosen().device(index); }

int64_t clock_offset_ns(int device) { return chosen().clock_offset_ns(device); }

sycl::queue& queue_of(Stream& stream) {
  return *static_cast<sycl::queue*>(stream.queue().native_handle());
}

void copy_async(Stream& stream, void* dst, const void* src, size_t bytes) {
  if (bytes == 0) return;
  with_errors([&] { return message("copy of ", bytes, " bytes"); }, [&] {
    syclex::memcpy(queue_of(stream), device_pointer(dst), device_pointer(src), bytes);
  });
}

void fill_async(Stream& stream, void* dst, unsigned char value, size_t bytes) {
  if (bytes == 0) return;
  with_errors([&] { return message("fill of ", bytes, " bytes"); }, [&] {
    syclex::memset(queue_of(stream), device_pointer(dst), value, bytes);
  });
}

} // namespace xpu_lite::xpu

extern "C" const xpu_lite::xpu::Library* xpu_lite_xpu_library() {
  static const xpu_lite::xpu::Library library{xpu_lite::xpu::found_selectors,
                                              xpu_lite::xpu::make, xpu_lite::xpu::describe_devices};
  return &library;
}
