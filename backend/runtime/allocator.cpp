// Devices, streams and errors around the block pool: one pool per device over
// the engine's memory, blocks that other streams still use, and what is tried
// before a request is refused. The policy of reuse itself is block_pool.h.

#include "backend/runtime/allocator.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <utility>

#include "backend/runtime/block_pool.h"
#include "backend/runtime/device.h"
#include "backend/runtime/drain.h"
#include "backend/runtime/error.h"
#include "backend/runtime/pointer_map.h"
#include "backend/runtime/event.h"
#include "backend/runtime/options.h"

namespace xpu_lite {
namespace {

class DeviceAllocator final : public MemorySource {
 public:
  explicit DeviceAllocator(int device) : device_(device), pool_(*this, options().caching) {
    apply_limit();
  }

  void* allocate_segment(size_t bytes) override { return engine().allocate(device_, bytes); }
  void free_segment(void* data, size_t bytes) noexcept override {
    engine().free(device_, data, bytes);
  }

  BlockPool& pool() { return pool_; }
  Arena& arena(StreamId stream) { return pool_.arena(stream); }

  Block* allocate(Arena& arena, size_t bytes) {
    if (waiting_count_.load(std::memory_order_relaxed) != 0) [[unlikely]]
      collect(false);
    if (Block* block = pool_.allocate(arena, bytes)) [[likely]]
      return block;
    return allocate_or_throw(arena, bytes);
  }

  void free_used(Block* block) noexcept;
  void record(Block* block, Stream& stream);
  // Returns blocks whose streams are past them; with `wait`, waits for that.
  void collect(bool wait);

  double fraction() {
    std::lock_guard<std::mutex> lock(mutex_);
    return fraction_;
  }
  void set_fraction(double fraction) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      fraction_ = fraction;
    }
    apply_limit();
  }
  int device() const noexcept { return device_; }
  size_t limit() {
    const double total = static_cast<double>(engine().properties(device_).total_memory);
    const auto share = static_cast<size_t>(total * fraction());
    const size_t option = options().memory_limit;
    return option ? std::min(option, share) : share;
  }

 private:
  struct Waiting {
    Block* block;
    std::vector<std::unique_ptr<Event>> events;
  };

  void apply_limit() { pool_.set_limit(limit()); }
  Block* allocate_or_throw(Arena& arena, size_t bytes);
  [[noreturn]] void refuse(size_t bytes);

  const int device_;
  BlockPool pool_;
  std::mutex mutex_; // never held while events are made, or a stream is called
  std::vector<Waiting> waiting_;
  std::atomic<size_t> waiting_count_{0};
  double fraction_ = 1.0;
};

// Never destroyed: static destructors elsewhere may free tensors.
std::array<std::atomic<DeviceAllocator*>, kMaxDevices> allocators{};

DeviceAllocator* existing(int device) {
  return allocators[device].load(std::memory_order_acquire);
}

DeviceAllocator& allocator_of(int device) {
  check_device(device);
  if (DeviceAllocator* a = existing(device)) return *a;
  static std::mutex& mutex = *new std::mutex;
  std::lock_guard<std::mutex> lock(mutex);
  if (DeviceAllocator* a = existing(device)) return *a;
  auto* made = new DeviceAllocator(device);
  allocators[device].store(made, std::memory_order_release);
  return *made;
}

DeviceAllocator& owner(Arena& arena) {
  return static_cast<DeviceAllocator&>(arena.pool->source());
}

template <class Body>
void each_allocator(Body&& body) {
  for (int device = 0; device < kMaxDevices; ++device)
    if (DeviceAllocator* a = existing(device)) body(*a, device);
}

using Uses = std::vector<Stream*>;

constinit PointerMap blocks; // those in use, by address

void DeviceAllocator::record(Block* block, Stream& stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!block->uses) block->uses = new Uses;
  auto& uses = *static_cast<Uses*>(block->uses);
  if (std::find(uses.begin(), uses.end(), &stream) == uses.end()) uses.push_back(&stream);
}

void DeviceAllocator::free_used(Block* block) noexcept {
  std::unique_ptr<Uses> uses(static_cast<Uses*>(std::exchange(block->uses, nullptr)));
  Waiting waiting{block, {}};
  for (Stream* stream : *uses) {
    if (stream->query()) continue;
    try {
      auto event = std::make_unique<Event>(false);
      event->record(*stream);
      if (!event->query()) waiting.events.push_back(std::move(event));
    } catch (...) {
      // No event can be made: the block is lost rather than used by two.
      pool_.free_later(block);
      return;
    }
  }
  if (waiting.events.empty()) {
    pool_.free(block);
    return;
  }
  pool_.free_later(block);
  std::lock_guard<std::mutex> lock(mutex_);
  waiting_.push_back(std::move(waiting));
  waiting_count_.store(waiting_.size(), std::memory_order_relaxed);
}

void DeviceAllocator::collect(bool wait) {
  std::vector<Waiting> done;
  {
    std::unique_lock<std::mutex> lock(mutex_, std::defer_lock);
    if (wait) lock.lock();
    else if (!lock.try_lock()) return;
    auto ready = [wait](Waiting& w) {
      return wait || std::all_of(w.events.begin(), w.events.end(),
                                 [](auto& event) { return event->query(); });
    };
    auto first = std::stable_partition(waiting_.begin(), waiting_.end(),
                                       [&](Waiting& w) { return !ready(w); });
    done.assign(std::make_move_iterator(first), std::make_move_iterator(waiting_.end()));
    waiting_.erase(first, waiting_.end());
    waiting_count_.store(waiting_.size(), std::memory_order_relaxed);
  }
  for (Waiting& w : done) {
    if (wait)
      for (auto& event : w.events) event->wait();
    pool_.free_pending(w.block);
  }
}

// In the order of the contract. A worker does not wait for other streams: one of
// them may be waiting for it.
Block* DeviceAllocator::allocate_or_throw(Arena& arena, size_t bytes) {
  const bool may_wait = Stream::of_worker() == nullptr;
  // Queued work owns its tensors until it is done.
  const bool waited = may_wait && wait_for_device(device_);
  if (waited || (may_wait && waiting_count_.load() != 0)) {
    pool_.count_sync();
    collect(true);
    if (Block* block = pool_.allocate(arena, bytes)) return block;
  }
  // Devices of one engine may share their memory.
  size_t released = 0;
  each_allocator([&](DeviceAllocator& a, int) {
    a.collect(false);
    released += a.pool_.release_free();
  });
  if (released)
    if (Block* block = pool_.allocate(arena, bytes)) return block;
  refuse(bytes);
}

std::string size_text(size_t bytes) {
  char text[64];
  const double value = static_cast<double>(bytes);
  if (bytes >= size_t{1} << 30) std::snprintf(text, sizeof text, "%.2f GiB", value / (1 << 30));
  else if (bytes >= size_t{1} << 20) std::snprintf(text, sizeof text, "%.2f MiB", value / (1 << 20));
  else if (bytes >= 1024) std::snprintf(text, sizeof text, "%.2f KiB", value / 1024);
  else std::snprintf(text, sizeof text, "%zu bytes", bytes);
  return text;
}

void DeviceAllocator::refuse(size_t bytes) {
  pool_.count_oom();
  const auto [free, total] = engine().memory_info(device_);
  const auto [allocated, reserved] = pool_.allocated_and_reserved();
  const size_t limited = limit();
  std::string why;
  if (limited < total)
    why = message(" This process may reserve ", size_text(limited),
                  " (XPU_LITE_MEMORY_LIMIT or set_per_process_memory_fraction).");
  throw OutOfMemoryError(message(
      "xpu_lite out of memory. Tried to allocate ", size_text(bytes), ". Device ", device_,
      " has a total capacity of ", size_text(total), " of which ", size_text(free),
      " is free.", why, " This process has ", size_text(allocated), " allocated and ",
      size_text(reserved - allocated), " reserved but unallocated."));
}

// First use of the allocator by `stream`.
Arena& attach(Stream& stream) {
  Arena& arena = allocator_of(stream.device()).arena(stream.id());
  stream.allocator_slot.store(&arena, std::memory_order_release);
  return arena;
}

} // namespace

Allocation allocate(int device, size_t bytes, Stream& stream) {
  ensure_initialized();
  if (stream.device() != device) [[unlikely]] {
    check_device(device);
    throw ValueError(message("cannot allocate on device ", device, " for a stream of device ",
                             stream.device()));
  }
  if (bytes == 0) return {};
  auto* arena = static_cast<Arena*>(stream.allocator_slot.load(std::memory_order_acquire));
  if (!arena) [[unlikely]]
    arena = &attach(stream);
  Block* block = owner(*arena).allocate(*arena, bytes);
  blocks.set(block->data, block);
  return {block->data, block};
}

void release(void* context) noexcept {
  // In a forked child the locks may be held by threads that are not here.
  if (!context || in_bad_fork()) return;
  Block* block = static_cast<Block*>(context);
  blocks.set(block->data, nullptr);
  if (block->uses) [[unlikely]] {
    owner(*block->arena).free_used(block);
    return;
  }
  block->arena->pool->free(block);
}

void record_stream(void* context, Stream& stream) {
  if (!context) return;
  ensure_initialized();
  Block* block = static_cast<Block*>(context);
  DeviceAllocator& from = owner(*block->arena);
  if (stream.allocator_slot.load(std::memory_order_acquire) == block->arena) return;
  from.record(block, stream);
}

void* allocation_context(const void* data) noexcept { return blocks.get(data); }

int allocation_device(void* context) noexcept {
  return context ? owner(*static_cast<Block*>(context)->arena).device() : -1;
}

size_t allocation_size(void* context) noexcept {
  return context ? static_cast<Block*>(context)->size : 0;
}

int device_of_pointer(const void* ptr) {
  if (!ptr || in_bad_fork()) return -1;
  int found = -1;
  each_allocator([&](DeviceAllocator& a, int device) {
    if (found < 0 && a.pool().in_use(ptr)) found = device;
  });
  return found;
}

void empty_cache(int device) {
  if (in_bad_fork()) return;
  if (device >= 0) check_device(device);
  each_allocator([&](DeviceAllocator& a, int index) {
    if (device >= 0 && index != device) return;
    a.collect(false);
    a.pool().release_free();
  });
}

AllocatorStats memory_stats(int device) {
  check_device(device);
  DeviceAllocator* a = existing(device);
  if (!a || in_bad_fork()) return {};
  a->collect(false);
  return a->pool().stats();
}

std::pair<int64_t, int64_t> allocated_and_reserved(int device) {
  check_device(device);
  DeviceAllocator* a = existing(device);
  return a && !in_bad_fork() ? a->pool().allocated_and_reserved()
                             : std::pair<int64_t, int64_t>{0, 0};
}

void reset_peak_stats(int device) {
  check_device(device);
  DeviceAllocator* a = existing(device);
  if (a && !in_bad_fork()) a->pool().reset_peaks();
}

void reset_accumulated_stats(int device) {
  check_device(device);
  DeviceAllocator* a = existing(device);
  if (a && !in_bad_fork()) a->pool().reset_totals();
}

std::vector<SegmentSnapshot> memory_snapshot(int device) {
  check_device(device);
  DeviceAllocator* a = existing(device);
  if (!a || in_bad_fork()) return {};
  a->collect(false);
  return a->pool().snapshot(device);
}

std::pair<size_t, size_t> memory_info(int device) {
  check_device(device);
  const auto [free, total] = engine().memory_info(device);
  const size_t limit = memory_limit(device);
  const auto reserved = static_cast<size_t>(allocated_and_reserved(device).second);
  return {std::min(free, limit - std::min(limit, reserved)), total};
}

void set_memory_fraction(int device, double fraction) {
  if (!(fraction >= 0 && fraction <= 1))
    throw ValueError(message("memory fraction ", fraction, " is not in [0, 1]"));
  ensure_initialized();
  allocator_of(device).set_fraction(fraction);
}

double memory_fraction(int device) {
  check_device(device);
  DeviceAllocator* a = existing(device);
  return a ? a->fraction() : 1.0;
}

size_t memory_limit(int device) {
  check_device(device);
  if (DeviceAllocator* a = existing(device)) return a->limit();
  const auto total = static_cast<size_t>(engine().properties(device).total_memory);
  const size_t option = options().memory_limit;
  return option ? std::min(option, total) : total;
}

} // namespace xpu_lite
