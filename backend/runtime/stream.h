#pragma once

// Streams: ordered queues of work on a device.
//
// Note [Stream ids]
//   0                      the default stream of a device; on the host engine
//                          it runs work inline on the calling thread while its
//                          queue is empty, so one-stream programs pay nothing.
//   1 + 64 * n + p         stream n of the pool; bits 0..5 of (id - 1) hold the
//                          priority class (0 normal, 1 high).
//   negative               streams made by new_stream(), which own a worker and,
//                          if asked for, cores of their own. They live as long
//                          as the process.
// A Stream& is valid for the life of the process: streams are never destroyed,
// so a stale id is a checked error and not a dangling pointer.

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/runtime/engine.h"

namespace xpu_lite {

using StreamId = int64_t;

class Stream {
 public:
  int device() const noexcept { return device_; }
  StreamId id() const noexcept { return id_; }
  int priority() const noexcept { return priority_; }
  const std::vector<int>& cores() const noexcept { return cores_; }

  // True when the caller may run work of this stream itself, now: the default
  // stream with an empty queue. One relaxed load on the fast path.
  bool runs_inline() const noexcept {
    return inline_when_idle_ && pending_.load(std::memory_order_acquire) == 0;
  }

  // Queues `task`, or runs it here and now if runs_inline(). An exception that
  // leaves a queued task is kept, with `name`, and thrown by the next
  // synchronize() of this stream (or of the device); work queued behind it
  // still runs.
  void launch(std::string name, std::function<void()> task);

  bool query() const;   // true when all queued work is done; does not throw
  void synchronize();   // waits; throws the first kept error, then clears it
  void wait();          // waits only

  Queue& queue() { return *queue_; }

  // The stream whose worker is the calling thread, or null. On it, launch() of
  // that stream runs at once and waiting for that stream does nothing: the
  // caller is already at that point of the stream.
  static Stream* of_worker() noexcept;

  // Owned by the allocator: where this stream's free blocks are.
  std::atomic<void*> allocator_slot{nullptr};

 private:
  friend class StreamRegistry;
  friend class Event;
  Stream(int device, StreamId id, QueueOptions options);
  // Queues, even when runs_inline().
  void enqueue(std::string name, std::function<void()> task);
  int device_;
  StreamId id_;
  int priority_;
  std::vector<int> cores_;
  bool inline_when_idle_;
  std::atomic<int64_t> pending_{0}; // queued and running tasks
  std::unique_ptr<Queue> queue_;
};

Stream& default_stream(int device);
Stream& current_stream(int device);           // of the calling thread
void set_current_stream(Stream& stream);      // for its device
Stream& pool_stream(int device, bool high_priority); // round robin of 32
Stream& new_stream(int device, int priority, std::vector<int> cores = {});
// Throws ValueError when no such stream was ever handed out.
Stream& stream_from_id(int device, StreamId id);

// Waits for every stream of the device; throws the first kept error.
void synchronize_device(int device);

// Called on each worker thread before its first task, with the cores it was
// given (empty: none). backend/aten uses it to size OpenMP teams per thread.
void set_worker_start_hook(std::function<void(const std::vector<int>& cores)> hook);
// For engines: what a worker thread of theirs calls.
void run_worker_start_hook(const std::vector<int>& cores);

// Turns an exception that left a queued task into the one that synchronize()
// throws; `context` names the work and its stream. The default prefixes errors
// of the runtime and leaves others as they are; backend/aten adds its own types.
using ErrorAnnotator = std::exception_ptr (*)(std::exception_ptr, const std::string& context);
void set_error_annotator(ErrorAnnotator annotator);

} // namespace xpu_lite
