// Streams over the queues of the engine: ids, pools, the calling thread's current
// stream, and the transport of errors from a worker to whoever synchronizes.

#include "backend/runtime/stream.h"

#include <array>
#include <mutex>
#include <typeinfo>
#include <utility>

#include "backend/runtime/blocking.h"
#include "backend/runtime/device.h"
#include "backend/runtime/drain.h"
#include "backend/runtime/error.h"
#include "backend/runtime/outside_work.h"

namespace xpu_lite {
namespace {

constexpr int kPoolSize = 32, kPriorityClasses = 2;
constexpr StreamId kIdStep = 64;

thread_local Stream* worker_stream = nullptr;
thread_local std::array<Stream*, kMaxDevices> current_streams{};

std::atomic<ErrorAnnotator> annotator{nullptr};

struct Hook {
  std::mutex mutex;
  std::function<void(const std::vector<int>&)> run;
};
Hook& worker_hook() {
  static Hook& hook = *new Hook;
  return hook;
}

template <class E>
std::exception_ptr with_context(const E& error, const std::string& context) {
  return std::make_exception_ptr(E(context + error.what()));
}

// Keeps the type that the caller will catch. Types of others, which only their
// own library can rebuild, are the business of the annotator.
std::exception_ptr annotate(std::exception_ptr error, const std::string& context) {
  try {
    std::rethrow_exception(error);
  } catch (const OutOfMemoryError& e) {
    return with_context(e, context);
  } catch (const ValueError& e) {
    return with_context(e, context);
  } catch (const IndexError& e) {
    return with_context(e, context);
  } catch (const Error& e) {
    return with_context(e, context);
  } catch (const std::exception& e) {
    if (typeid(e) == typeid(std::runtime_error))
      return std::make_exception_ptr(Error(context + e.what()));
  } catch (...) {
  }
  if (ErrorAnnotator other = annotator.load()) {
    try {
      return other(error, context);
    } catch (...) {
    }
  }
  return error;
}

} // namespace

Stream::Stream(int device, StreamId id, QueueOptions options)
    : device_(device),
      id_(id),
      priority_(options.priority),
      cores_(options.cores),
      inline_when_idle_(options.inline_when_idle && !engine().supports(Feature::DeviceQueues)),
      queue_(engine().make_queue(device, options)) {}

Stream* Stream::of_worker() noexcept { return worker_stream; }

void Stream::launch(std::string name, std::function<void()> task) {
  if (runs_inline() || worker_stream == this) {
    ensure_initialized();
    task();
    return;
  }
  enqueue(std::move(name), std::move(task));
}

void Stream::enqueue(std::string name, std::function<void()> task) {
  ensure_initialized();
  pending_.fetch_add(1, std::memory_order_acq_rel);
  auto run = [this, name, task = std::move(task)]() mutable {
    worker_stream = this;
    current_streams[device_] = this;
    // pending_ falls last: who then runs inline must find all of this done,
    // including the release of what the task owned.
    struct Done {
      std::atomic<int64_t>& pending;
      ~Done() { pending.fetch_sub(1, std::memory_order_acq_rel); }
    } done{pending_};
    std::exception_ptr error;
    try {
      task();
    } catch (...) {
      error = std::current_exception();
    }
    task = nullptr;
    if (error)
      std::rethrow_exception(
          annotate(error, message("work '", name, "' queued on stream (device ", device_,
                                  ", id ", id_, ") failed: ")));
  };
  try {
    queue_->submit(std::move(name), std::move(run));
  } catch (...) {
    pending_.fetch_sub(1, std::memory_order_acq_rel);
    throw;
  }
}

bool Stream::query() const {
  return pending_.load(std::memory_order_acquire) == 0 && queue_->idle();
}

void Stream::wait() {
  if (worker_stream == this) return;
  ensure_initialized();
  if (queue_->idle()) return;
  BlockingScope blocking;
  queue_->wait();
}

void Stream::synchronize() {
  wait();
  if (std::exception_ptr error = queue_->take_error()) std::rethrow_exception(error);
}

// Which streams exist. Pointers are published once and never change, so that
// the common look-ups take no lock.
class StreamRegistry {
 public:
  static StreamRegistry& get() {
    static StreamRegistry& registry = *new StreamRegistry;
    return registry;
  }

  Stream& standard(int device) {
    if (Stream* s = devices_[device].standard.load(std::memory_order_acquire)) return *s;
    QueueOptions options;
    options.inline_when_idle = true;
    return make_once(devices_[device].standard, device, 0, options);
  }

  Stream& pooled(int device, bool high) {
    PerDevice& d = devices_[device];
    const unsigned n = d.next[high].fetch_add(1, std::memory_order_relaxed) % kPoolSize;
    auto& slot = d.pool[high][n];
    if (Stream* s = slot.load(std::memory_order_acquire)) return *s;
    QueueOptions options;
    options.priority = high ? -1 : 0;
    return make_once(slot, device, 1 + kIdStep * n + (high ? 1 : 0), options);
  }

  Stream& make(int device, int priority, std::vector<int> cores) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto& own = devices_[device].own;
    QueueOptions options;
    options.priority = priority;
    options.cores = std::move(cores);
    const StreamId id = -1 - static_cast<StreamId>(own.size());
    own.push_back(new Stream(device, id, std::move(options)));
    return *own.back();
  }

  Stream* find(int device, StreamId id) {
    PerDevice& d = devices_[device];
    if (id == 0) return &standard(device);
    if (id < 0) {
      std::lock_guard<std::mutex> lock(mutex_);
      const uint64_t n = -(id + 1);
      return n < d.own.size() ? d.own[n] : nullptr;
    }
    const StreamId n = (id - 1) / kIdStep, p = (id - 1) % kIdStep;
    if (n >= kPoolSize || p >= kPriorityClasses) return nullptr;
    return d.pool[p][n].load(std::memory_order_acquire);
  }

  std::vector<Stream*> all(int device) {
    std::lock_guard<std::mutex> lock(mutex_);
    PerDevice& d = devices_[device];
    std::vector<Stream*> streams;
    auto add = [&](Stream* s) {
      if (s) streams.push_back(s);
    };
    add(d.standard.load());
    for (auto& pool : d.pool)
      for (auto& slot : pool) add(slot.load());
    for (Stream* s : d.own) add(s);
    return streams;
  }

 private:
  using Slot = std::atomic<Stream*>;
  struct PerDevice {
    Slot standard{nullptr};
    std::array<std::array<Slot, kPoolSize>, kPriorityClasses> pool{};
    std::array<std::atomic<unsigned>, kPriorityClasses> next{};
    std::vector<Stream*> own;
  };

  Stream& make_once(Slot& slot, int device, StreamId id, const QueueOptions& options) {
    std::lock_guard<std::mutex> lock(mutex_);
    Stream* s = slot.load(std::memory_order_acquire);
    if (!s) {
      s = new Stream(device, id, options);
      slot.store(s, std::memory_order_release);
    }
    return *s;
  }

  std::mutex mutex_;
  std::array<PerDevice, kMaxDevices> devices_;
};

Stream& default_stream(int device) {
  ensure_initialized();
  check_device(device);
  return StreamRegistry::get().standard(device);
}

Stream& current_stream(int device) {
  ensure_initialized();
  if (static_cast<unsigned>(device) < static_cast<unsigned>(kMaxDevices))
    if (Stream* s = current_streams[device]) return *s;
  Stream& s = default_stream(device);
  current_streams[device] = &s;
  return s;
}

void set_current_stream(Stream& stream) {
  ensure_initialized();
  current_streams[stream.device()] = &stream;
}

Stream& pool_stream(int device, bool high_priority) {
  ensure_initialized();
  check_device(device);
  return StreamRegistry::get().pooled(device, high_priority);
}

Stream& new_stream(int device, int priority, std::vector<int> cores) {
  ensure_initialized();
  check_device(device);
  return StreamRegistry::get().make(device, priority, std::move(cores));
}

Stream& stream_from_id(int device, StreamId id) {
  ensure_initialized();
  check_device(device);
  Stream* s = StreamRegistry::get().find(device, id);
  if (!s)
    throw ValueError(message("stream id ", id, " of device ", device, " was never handed out"));
  return *s;
}

void synchronize_device(int device) {
  ensure_initialized();
  check_device(device);
  wait_for_outside_work();
  const std::vector<Stream*> streams = StreamRegistry::get().all(device);
  for (Stream* s : streams) s->wait();
  for (Stream* s : streams)
    if (std::exception_ptr error = s->queue().take_error()) std::rethrow_exception(error);
}

bool wait_for_device(int device) {
  bool any = wait_for_outside_work();
  for (Stream* s : StreamRegistry::get().all(device)) {
    if (s->query()) continue;
    any = true;
    s->wait();
  }
  return any;
}

void set_worker_start_hook(std::function<void(const std::vector<int>&)> hook) {
  std::lock_guard<std::mutex> lock(worker_hook().mutex);
  worker_hook().run = std::move(hook);
}

void run_worker_start_hook(const std::vector<int>& cores) {
  std::function<void(const std::vector<int>&)> run;
  {
    std::lock_guard<std::mutex> lock(worker_hook().mutex);
    run = worker_hook().run;
  }
  if (run) run(cores);
}

void set_error_annotator(ErrorAnnotator other) { annotator.store(other); }

} // namespace xpu_lite
