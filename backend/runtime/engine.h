#pragma once

// The contract between xpu-lite and an engine (host CPU, SYCL, ...).
//
// An engine owns raw memory, raw queues and raw events of its devices. What
// every engine would otherwise write again (caching, statistics, stream pools,
// error transport, limits) lives once, above this header.
//
// Each slot says whether it is required. Optional slots have a default that is
// correct for an engine that does not offer the feature; callers ask
// `supports` first. Errors are reported by throwing `xpu_lite::Error`.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace xpu_lite {

struct DeviceProperties {
  std::string name;         // marketing name of the processor
  std::string vendor;
  std::string engine;       // "host", "level_zero:gpu", ...
  std::string isa;          // highest instruction set in use, e.g. "AVX512_BF16"
  int64_t total_memory = 0; // bytes
  int cores = 0;            // cores (host) or compute units
  std::vector<int> core_ids; // host engine: the cores this device owns
  int major = 0, minor = 0; // capability, engine-defined, never (0, 0)
  bool has_fp64 = true, has_fp16 = true, has_bf16 = true;
};

enum class Feature : uint8_t {
  HostReadableMemory, // device memory may be read and written by host code
  HostTasks,          // Queue::submit_host_task
  CoreSets,           // a queue can be given cores of its own
  Priorities,
  DeviceQueues,       // work is submitted to Queue::native_handle(), not as host tasks:
                      // nothing runs inline on the calling thread
};

// An engine may set this bit in the addresses of its memory: see Note [Guarded
// pointers] in backend/xpu/device_pointer.h.
constexpr uint64_t kAddressTag = uint64_t{1} << 60;

// What a caller asks for when it makes a queue.
struct QueueOptions {
  int priority = 0;       // lower is more urgent, as in CUDA
  std::vector<int> cores; // empty: no preference
  bool inline_when_idle = false; // host tasks may run on the calling thread
                                 // while nothing is queued (default stream)
};

// A point in a raw queue. Thread-safe; may outlive its queue's later work.
class Mark {
 public:
  virtual ~Mark() = default;
  virtual bool done() const noexcept = 0;
  virtual void wait() = 0; // never throws for failed work
  // When the device passed it, in nanoseconds of the host's steady clock; only of a
  // mark with timing that is done.
  virtual int64_t time_ns() const = 0;
};

// A raw, ordered queue. Thread-safe. Destroying it waits for its work.
class Queue {
 public:
  virtual ~Queue() = default;
  // Required. Runs `task` after everything submitted before. An exception that
  // leaves the task is kept by the queue: see take_error().
  virtual void submit(std::string name, std::function<void()> task) = 0;
  // Required. True when nothing is queued or running.
  virtual bool idle() const noexcept = 0;
  // Required. Blocks until idle. Never throws for failed work.
  virtual void wait() = 0;
  // Required. The first failure since the last call, or null. Clears it.
  virtual std::exception_ptr take_error() noexcept = 0;
  // Required of engines with DeviceQueues; null for the others, whose events are
  // made of host tasks. Marks the present end of the queue.
  virtual std::shared_ptr<Mark> mark(bool timing) { return nullptr; }
  // With mark(): later work of this queue waits for `mark`, which any queue of this
  // engine made. Does not block the host.
  virtual void wait_for(const Mark& mark) {}
  // Optional. A handle for other libraries (sycl::queue*), or null.
  virtual void* native_handle() const noexcept { return nullptr; }
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Required.
  virtual const char* kind() const noexcept = 0;
  virtual int device_count() const noexcept = 0;
  virtual const DeviceProperties& properties(int device) const = 0;
  virtual bool supports(Feature feature) const noexcept = 0;

  // Required. Raw memory, at least 64-byte aligned. allocate() returns null
  // when the device has no memory left; it does not throw for that.
  virtual void* allocate(int device, size_t bytes) = 0;
  virtual void free(int device, void* ptr, size_t bytes) noexcept = 0;
  // Required. {free, total} bytes of the device, as its driver sees them.
  virtual std::pair<size_t, size_t> memory_info(int device) const = 0;

  // Required. Blocking copies; either side may be host memory.
  virtual void copy(void* dst, int dst_device, const void* src, int src_device,
                    size_t bytes) = 0;
  // Optional. Host memory that devices copy to and from at full speed, page aligned;
  // null when there is none left. The default is ordinary memory.
  virtual void* allocate_host(size_t bytes);
  virtual void free_host(void* ptr, size_t bytes) noexcept;
  // Optional. True when `device` can read the memory of `peer` directly.
  virtual bool can_access_peer(int device, int peer) const noexcept {
    return device == peer;
  }

  // Required.
  virtual std::unique_ptr<Queue> make_queue(int device,
                                            const QueueOptions& options) = 0;
};

// Called once per process by the registry for the engine kind that was chosen.
using EngineFactory =
    std::function<std::unique_ptr<Engine>(const std::string& selector, int count)>;

} // namespace xpu_lite
