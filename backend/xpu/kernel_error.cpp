// Error words of streams and their texts.

#include "backend/xpu/kernel_error.h"

#include <atomic>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include <sycl/sycl.hpp>

#include "backend/runtime/error.h"
#include "backend/runtime/stream.h"
#include "backend/xpu/sycl_queue.h"

namespace xpu_lite::xpu {
namespace {

struct Word {
  KernelError* error;
  int device;
  StreamId stream;
};

struct Words {
  std::mutex mutex;
  std::unordered_map<const Queue*, Word> of;
  std::atomic<bool> any{false};
};
Words& words() {
  static Words& all = *new Words;
  return all;
}

std::exception_ptr describe(const KernelError& e, const Word& word) {
  const std::string where =
      message(" (found by a kernel queued on stream (device ", word.device, ", id ",
              word.stream, "))");
  const std::string op = message("[", e.op ? e.op : "kernel", "] ");
  const std::string out_of_bounds =
      message("index out of range: ", op, "index ", e.index, " is out of bounds for dimension ",
              e.dim, " with size ", e.size, where);
  switch (static_cast<KernelFault>(e.fault)) {
    case KernelFault::Index: return std::make_exception_ptr(IndexError(out_of_bounds));
    case KernelFault::IndexRuntime: return std::make_exception_ptr(Error(out_of_bounds));
    case KernelFault::Range:
      return std::make_exception_ptr(
          IndexError(message("index out of range: ", op, e.what ? e.what : "index", " ",
                             e.index, " is out of bounds: it must be at least 0 and less than ",
                             e.size, where)));
    default:
      return std::make_exception_ptr(
          Error(message(op, e.what ? e.what : "failed", where)));
  }
}

} // namespace

KernelError* kernel_error(Stream& stream) {
  // Streams live as long as the process, so the last one may be remembered.
  thread_local const Queue* last = nullptr;
  thread_local KernelError* last_error = nullptr;
  const Queue* queue = &stream.queue();
  if (queue == last) return last_error;
  Words& all = words();
  std::lock_guard lock(all.mutex);
  auto found = all.of.find(queue);
  if (found == all.of.end()) {
    auto* error = static_cast<KernelError*>(
        sycl::malloc_host(sizeof(KernelError), queue_of(stream).get_context()));
    if (!error) throw OutOfMemoryError("no pinned memory for the error word of a stream");
    std::memset(static_cast<void*>(error), 0, sizeof *error);
    found = all.of.emplace(queue, Word{error, stream.device(), stream.id()}).first;
    all.any.store(true, std::memory_order_release);
  }
  last = queue;
  last_error = found->second.error;
  return last_error;
}

std::exception_ptr take_kernel_error(const Queue& queue) noexcept {
  Words& all = words();
  if (!all.any.load(std::memory_order_acquire)) return nullptr;
  try {
    std::lock_guard lock(all.mutex);
    auto found = all.of.find(&queue);
    if (found == all.of.end() || !found->second.error->fault) return nullptr;
    const KernelError error = *found->second.error;
    std::memset(static_cast<void*>(found->second.error), 0, sizeof error);
    return describe(error, found->second);
  } catch (...) {
    return std::current_exception();
  }
}

} // namespace xpu_lite::xpu
