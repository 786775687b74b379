// A mark is made by the queue, or completed by a task in its stream: at once when
// the stream is idle.

#include "backend/runtime/event.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "backend/runtime/blocking.h"
#include "backend/runtime/device.h"
#include "backend/runtime/error.h"

namespace xpu_lite {

namespace {

class TaskMark final : public Mark {
 public:
  void complete() {
    time_ns_ = std::chrono::steady_clock::now().time_since_epoch().count();
    // Idle streams complete their marks before anybody can wait for them, and
    // the lock is what a waiter needs to not miss the notification.
    std::lock_guard<std::mutex> lock(mutex_);
    done_.store(true, std::memory_order_release);
    completed_.notify_all();
  }
  bool done() const noexcept override { return done_.load(std::memory_order_acquire); }
  void wait() override {
    if (done()) return;
    std::unique_lock<std::mutex> lock(mutex_);
    completed_.wait(lock, [&] { return done(); });
  }
  int64_t time_ns() const override { return time_ns_; }

 private:
  std::mutex mutex_;
  std::condition_variable completed_;
  std::atomic<bool> done_{false};
  int64_t time_ns_ = 0;
};

} // namespace

Event::Event(bool enable_timing) : timing_(enable_timing) {}
Event::~Event() = default;

void Event::record(Stream& stream) {
  ensure_initialized();
  std::shared_ptr<Mark> mark = stream.queue().mark(timing_);
  made_by_queue_ = mark != nullptr;
  if (!mark) {
    auto task = std::make_shared<TaskMark>();
    stream.launch("event record", [task] { task->complete(); });
    mark = std::move(task);
  }
  mark_ = std::move(mark);
  stream_ = &stream;
}

void Event::block(Stream& stream) {
  if (!mark_ || mark_->done()) return;
  if (stream_ == &stream) return; // its own order says so already
  if (Stream::of_worker() == &stream) {
    mark_->wait();
    return;
  }
  if (made_by_queue_) {
    ensure_initialized();
    stream.queue().wait_for(*mark_);
    return;
  }
  stream.enqueue("event wait", [mark = mark_] { mark->wait(); });
}

bool Event::query() const noexcept {
  return !mark_ || mark_->done();
}

void Event::wait() const {
  if (query()) return;
  ensure_initialized(); // in a forked child the mark would never come
  // On the stream's own worker: the mark is behind the caller.
  if (Stream::of_worker() == stream_) return;
  BlockingScope blocking;
  mark_->wait();
}

void Event::synchronize() {
  if (!mark_) return;
  wait();
  if (std::exception_ptr error = stream_->queue().take_error())
    std::rethrow_exception(error);
}

bool Event::recorded() const noexcept { return mark_ != nullptr; }
int Event::device() const noexcept { return mark_ ? stream_->device() : -1; }
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
  return static_cast<double>(end.mark_->time_ns() - start.mark_->time_ns()) / 1e6;
}

} // namespace xpu_lite
