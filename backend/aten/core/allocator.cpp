#include "backend/aten/core/allocator.h"

#include <cstring>

#include <c10/core/AutogradState.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>

#include "backend/aten/core/errors.h"
#include "backend/aten/core/storage.h"
#include "backend/runtime/allocator.h"
#include "backend/runtime/device.h"

namespace xpu_lite::aten {
namespace {

__attribute__((tls_model("initial-exec"))) thread_local AllocationTarget target;
__attribute__((tls_model("initial-exec"))) thread_local bool thread_prepared = false;

// Backward runs in the thread that asked for it, as for CPU tensors: the host is
// the device, so a thread per device would only add a switch to every step. A
// later torch.autograd.set_multithreading_enabled() of the user holds.
void prepare_thread() {
  thread_prepared = true;
  c10::AutogradState::get_tls_state().set_multithreading_enabled(false);
}

void report(void* ptr, int64_t delta, int device) {
  const auto [allocated, reserved] = allocated_and_reserved(device);
  c10::reportMemoryUsageToProfiler(
      ptr, delta, allocated, reserved,
      c10::Device(kDevice, static_cast<c10::DeviceIndex>(device)));
}

// The deleter of all device memory. Its argument is the address, not the block:
// torch's raw_allocate() wants the two to be the same.
void release_memory(void* data) {
  void* context = allocation_context(data);
  if (C10_UNLIKELY(c10::memoryProfilingEnabled()) && context) {
    const auto bytes = static_cast<int64_t>(allocation_size(context));
    const int device = allocation_device(context);
    release(context);
    report(data, -bytes, device);
    return;
  }
  release(context);
}

class CpuAllocator final : public c10::Allocator {
 public:
  explicit CpuAllocator(c10::Allocator* next) { next_ = next; }
  c10::DataPtr allocate(size_t bytes) override {
    if (C10_LIKELY(target.device < 0)) return next_->allocate(bytes);
    return allocate_on(target.device, *target.stream, bytes, c10::Device(c10::kCPU));
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release_raw; }
  void copy_data(void* dst, const void* src, std::size_t count) const override {
    std::memcpy(dst, src, count);
  }

 private:
  // Memory may be given back outside the scope that it was taken in.
  static void release_raw(void* data) {
    if (allocation_context(data)) {
      release_memory(data);
    } else {
      next_->raw_deleter()(data);
    }
  }
  static inline c10::Allocator* next_ = nullptr;
};

c10::CachingAllocator::StatArray to_c10(const StatArray& from) {
  c10::CachingAllocator::StatArray to;
  for (size_t i = 0; i < kStatTypes; ++i) {
    to[i].current = from[i].current;
    to[i].peak = from[i].peak;
    to[i].allocated = from[i].allocated;
    to[i].freed = from[i].freed;
  }
  return to;
}

class Allocator final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    const int device = current_device();
    return translate([&] {
      return allocate_on(device, current_stream(device), bytes,
                         c10::Device(kDevice, static_cast<c10::DeviceIndex>(device)));
    });
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release_memory; }
  void copy_data(void* dst, const void* src, std::size_t count) const override {
    const int device = current_device();
    Stream& stream = current_stream(device);
    // What is copied before it is written may still be on its way.
    if (!stream.runs_inline()) translate([&] { stream.synchronize(); });
    copy_bytes(dst, src, count, device);
  }
  bool initialized() override { return is_initialized(); }
  void emptyCache(c10::MempoolId_t = {0, 0}) override {
    translate([] { empty_cache(-1); });
  }
  void recordStream(const c10::DataPtr& ptr, c10::Stream stream) override {
    if (!is_device_memory(ptr) || ptr.get_context() == nullptr) return;
    translate([&] {
      record_stream(allocation_context(ptr.get_context()),
                    stream_from_id(stream.device_index(), stream.id()));
    });
  }
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex device) override {
    const AllocatorStats from = translate([&] { return memory_stats(device); });
    c10::CachingDeviceAllocator::DeviceStats to;
    to.allocation = to_c10(from.allocation);
    to.segment = to_c10(from.segment);
    to.active = to_c10(from.active);
    to.inactive_split = to_c10(from.inactive_split);
    to.allocated_bytes = to_c10(from.allocated_bytes);
    to.reserved_bytes = to_c10(from.reserved_bytes);
    to.active_bytes = to_c10(from.active_bytes);
    to.inactive_split_bytes = to_c10(from.inactive_split_bytes);
    to.requested_bytes = to_c10(from.requested_bytes);
    to.num_alloc_retries = from.num_alloc_retries;
    to.num_ooms = from.num_ooms;
    to.num_sync_all_streams = from.num_sync_all_streams;
    to.num_device_alloc = from.num_device_alloc;
    to.num_device_free = from.num_device_free;
    to.max_split_size = from.max_split_size;
    return to;
  }
  void resetAccumulatedStats(c10::DeviceIndex device) override {
    translate([&] { reset_accumulated_stats(device); });
  }
  void resetPeakStats(c10::DeviceIndex device) override {
    translate([&] { reset_peak_stats(device); });
  }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex device) override {
    return translate([&] { return memory_info(device); });
  }
};

Allocator allocator;
REGISTER_ALLOCATOR(kDevice, &allocator)

const bool cpu_allocator_installed = [] {
  // Stays behind whatever else is registered with a higher priority.
  c10::SetCPUAllocator(new CpuAllocator(c10::GetCPUAllocator()), 0);
  return true;
}();

} // namespace

c10::Allocator* device_allocator() {
  return &allocator;
}

c10::DataPtr allocate_on(int device, Stream& stream, size_t bytes, c10::Device claimed) {
  if (C10_UNLIKELY(!thread_prepared)) prepare_thread();
  const Allocation block = translate([&] { return allocate(device, bytes, stream); });
  if (C10_UNLIKELY(c10::memoryProfilingEnabled()) && block.data) {
    report(block.data, static_cast<int64_t>(allocation_size(block.context)), device);
  }
  return {block.data, block.data, &release_memory, claimed};
}

bool is_device_memory(const c10::DataPtr& ptr) noexcept {
  return ptr.get_deleter() == &release_memory;
}

AllocationTarget exchange_allocation_target(AllocationTarget next) noexcept {
  const AllocationTarget previous = target;
  target = next;
  return previous;
}

} // namespace xpu_lite::aten
