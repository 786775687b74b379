// Pinned host memory, which comes from the engine: devices copy to and from it at
// full speed. For the host engine it is ordinary memory; pinning is what makes a
// non_blocking copy safe: the block is kept until the queued copy is past it.

#include <map>
#include <memory>
#include <mutex>

#include <ATen/core/CachingHostAllocator.h>

#include "backend/aten/core/allocator.h"
#include "backend/aten/core/errors.h"
#include "backend/aten/core/storage.h"
#include "backend/runtime/device.h"
#include "backend/runtime/event.h"

namespace xpu_lite::aten {
namespace {

// Which addresses are pinned, for isPinnedPtr.
class Ranges {
 public:
  void add(const void* begin, size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    ends_[begin] = static_cast<const char*>(begin) + bytes;
  }
  void remove(const void* begin) {
    std::lock_guard<std::mutex> lock(mutex_);
    ends_.erase(begin);
  }
  bool contain(const void* data) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto after = ends_.upper_bound(data);
    if (after == ends_.begin()) return false;
    return data < std::prev(after)->second;
  }

 private:
  std::mutex mutex_;
  std::map<const void*, const void*> ends_;
};
Ranges& ranges() {
  static auto* instance = new Ranges;
  return *instance;
}

using Block = at::HostBlock<c10::Stream>;
using EventHandle = std::shared_ptr<Event>;

struct HostAllocatorImpl final : at::CachingHostAllocatorImpl<c10::Stream, EventHandle, Block> {
  void copy_data(void* dst, const void* src, std::size_t bytes) const override {
    std::memcpy(dst, src, bytes);
  }

 private:
  void allocate_host_memory(size_t bytes, void** ptr) override {
    *ptr = translate([&] {
      if (engine().supports(Feature::DeviceQueues)) ensure_initialized();
      return engine().allocate_host(bytes);
    });
    TORCH_CHECK_WITH(OutOfMemoryError, *ptr != nullptr, "xpu_lite: no host memory for ", bytes,
                     " pinned bytes");
    ranges().add(*ptr, bytes);
  }
  void free_block(Block* block) override {
    ranges().remove(block->ptr_);
    if (!in_bad_fork()) engine().free_host(block->ptr_, block->size_);
  }
  void record_stream(std::optional<std::vector<EventHandle>>& events,
                     c10::Stream stream) override {
    auto event = std::make_shared<Event>(/*enable_timing=*/false);
    event->record(stream_from_id(stream.device_index(), stream.id()));
    events->push_back(std::move(event));
  }
  bool query_event(EventHandle& event) override { return event->query(); }
  c10::Stream get_current_stream() const override {
    const Stream& stream = current_stream(current_device());
    return c10::Stream(
        c10::Stream::UNSAFE,
        c10::Device(kDevice, static_cast<c10::DeviceIndex>(stream.device())), stream.id());
  }
  bool stream_is_capturing(c10::Stream) const override { return false; }
};

void delete_pinned(void* context);

struct HostAllocator final
    : at::CachingHostAllocatorInterface<HostAllocatorImpl, delete_pinned> {};

// Leaked: pinned tensors may outlive static destruction.
HostAllocator& host_allocator() {
  static auto* instance = new HostAllocator;
  return *instance;
}

void delete_pinned(void* context) {
  host_allocator().free(context);
}

const bool host_allocator_registered = [] {
  at::setHostAllocator(kDevice, &host_allocator());
  return true;
}();

} // namespace

bool is_pinned(const void* data) {
  return data != nullptr && ranges().contain(data);
}

} // namespace xpu_lite::aten
