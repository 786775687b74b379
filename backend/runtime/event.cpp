// A mark is completed by a task in its stream, at once when the stream is idle.

#include "backend/runtime/event.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "backend/runtime/blocking.h"
#include "backend/runtime/device.h"
#include "backend/runtime/error.h"

namespace xpu_lite {

struct Event::Mark {
  explicit Mark(Stream& s) : stream(s) {}

  void complete() {
    time_ns = std::chrono::steady_clock::now().time_since_epoch().count();
    // Idle streams complete their marks before anybody can wait for them, and
    // the lock is what a waiter needs to not miss the notification.
    std::lock_guard<std::mutex> lock(mutex);
    done.store(true, std::memory_order_release);
    completed.notify_all();
  }
  void wait() {
    if (done.load(std::memory_order_acquire)) return;
    std::unique_lock<std::mutex> lock(mutex);
    completed.wait(lock, [&] { return done.load(std::memory_order_acquire); });
  }

  Stream& stream;
  std::mutex mutex;
  std::condition_variable completed;
  std::atomic<bool> done{false};
  int64_t time_ns = 0;
};

Event::Event(bool enable_timing) : timing_(enable_timing) {}
Event::~Event() = default;

void Event::record(Stream& stream) {
  auto mark = std::make_shared<Mark>(stream);
  stream.launch("event record", [mark] { mark->complete(); });
  mark_ = std::move(mark);
}

void Event::block(Stream& stream) {
  if (!mark_ || mark_->done.load(std::memory_order_acquire)) return;
  if (&mark_->stream == &stream) return; // its own order says so already
  if (Stream::of_worker() == &stream) {
    mark_->wait();
    return;
  }
  stream.enqueue("event wait", [mark = mark_] { mark->wait(); });
}

bool Event::query() const noexcept {
  return !mark_ || mark_->done.load(std::memory_order_acquire);
}

void Event::wait() const {
  if (query()) return;
  ensure_initialized(); // in a forked child the mark would never come
  // On the stream's own worker: the mark is behind the caller.
  if (Stream::of_worker() == &mark_->stream) return;
  BlockingScope blocking;
  mark_->wait();
}

void Event::synchronize() {
  if (!mark_) return;
  wait();
  if (std::exception_ptr error = mark_->stream.queue().take_error())
    std::rethrow_exception(error);
}

bool Event::recorded() const noexcept { return mark_ != nullptr; }
int Event::device() const noexcept { return mark_ ? mark_->stream.device() : -1; }
bool Event::timing() const noexcept { return timing_; }

double elapsed_ms(const Event& start, const Event& end) {
  if (!start.timing_ || !end.timing_)
    throw ValueError("both events must be made with enable_timing=True to measure time");
  if (!start.mark_ || !end.mark_)
    throw ValueError("both events must be recorded before their elapsed time is asked");
  if (start.device() != end.device())
    throw ValueError(message("events are of different devices, ", start.device(), " and ",
                             end.device()));
  if (!start.query() || !end.query())
    throw ValueError("both events must be complete before their elapsed time is asked");
  return static_cast<double>(end.mark_->time_ns - start.mark_->time_ns) / 1e6;
}

} // namespace xpu_lite
