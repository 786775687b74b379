#include "backend/ccl/c10d/point_to_point.h"

#include <pthread.h>

namespace xpu_lite::ccl {
namespace {
using std::chrono::microseconds;
// How long the thread leaves a message to a caller who is about to wait for it.
constexpr microseconds kPatience{300};
// The longest sleep of a driver: whoever submits interrupts it earlier.
constexpr microseconds kMessageSlice{20'000};
} // namespace

PointToPoint::PointToPoint(std::shared_ptr<Transport> transport)
    : transport_(std::move(transport)) {}

PointToPoint::~PointToPoint() { stop("the process group was destroyed"); }

bool PointToPoint::pass() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    waiting_.splice(waiting_.end(), fresh_);
  }
  // In order, so that two messages to one rank cannot change places.
  while (!waiting_.empty()) {
    Message& next = waiting_.front();
    if (next.ready && !next.ready->query()) break;
    std::list<Message> one;
    one.splice(one.end(), waiting_, waiting_.begin());
    try {
      next.work->mark_start();
      next.request = next.start(*transport_);
      active_.splice(active_.end(), one);
    } catch (...) {
      ended_.emplace_back(std::move(one.front()), std::current_exception());
    }
  }
  std::exception_ptr broken;
  try {
    transport_->progress();
  } catch (...) {
    broken = std::current_exception();
  }
  for (auto it = active_.begin(); it != active_.end();) {
    std::exception_ptr error = broken;
    bool done = broken != nullptr;
    if (!done) {
      try {
        done = it->request->test();
        if (done && it->finish) it->finish(it->request->source());
      } catch (...) {
        error = std::current_exception();
        done = true;
      }
    }
    auto here = it++;
    if (!done) continue;
    here->request.reset();
    ended_.emplace_back(std::move(*here), error);
    active_.erase(here);
  }
  return active_.empty() && waiting_.empty();
}

void PointToPoint::drive_until(const std::function<bool()>& done, Deadline deadline,
                               std::unique_lock<std::mutex>& lock) {
  // lock held, role free: takes the role, gives it back.
  while (!stopped_ && !done() && Clock::now() < deadline) {
    driving_ = true;
    lock.unlock();
    const bool nothing_left = pass();
    const bool some_ended = !ended_.empty();
    if (!some_ended && !nothing_left && !done()) {
      // A message that waits for its stream is looked at often.
      const microseconds slice = waiting_.empty() ? kMessageSlice : microseconds(50);
      const auto left = deadline == Deadline::max()
          ? slice
          : std::chrono::duration_cast<microseconds>(deadline - Clock::now());
      transport_->await_progress(std::max(microseconds(0), std::min(slice, left)));
    }
    decltype(ended_) ended;
    ended.swap(ended_);
    lock.lock();
    driving_ = false;
    if (ended.empty()) {
      if (outstanding_ == 0) return;
      continue;
    }
    outstanding_ -= ended.size();
    lock.unlock();
    // Without role and lock: callbacks may send, and wait.
    for (auto& [message, error] : ended) {
      message.work->end(to_torch_error(error));
      message.work->call_back();
    }
    ended.clear();
    changed_.notify_all();
    lock.lock();
    while (driving_ && !stopped_ && !done()) changed_.wait_for(lock, kPatience);
  }
}

void PointToPoint::submit(Message message) {
  std::unique_lock<std::mutex> lock(mutex_);
  TORCH_CHECK_WITH(DistBackendError, !stopped_, "send/recv: the process group was shut down");
  const c10::intrusive_ptr<WorkXpuLite> work = message.work;
  fresh_.push_back(std::move(message));
  ++outstanding_;
  if (driving_) {
    transport_->interrupt();
    return;
  }
  // Most small messages are over after one round.
  bool once = false;
  drive_until([&] { return std::exchange(once, true); }, Clock::now() + kPatience, lock);
  if (outstanding_ == 0) return;
  if (!thread_.joinable())
    thread_ = std::thread([self = shared_from_this()] { self->background(); });
  lock.unlock();
  changed_.notify_all();
}

bool PointToPoint::help(const WorkXpuLite& work, Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!work.ended() && !stopped_) {
    if (!driving_) {
      drive_until([&] { return work.ended(); }, deadline, lock);
      changed_.notify_all(); // somebody else drives on
    } else if (deadline == Deadline::max()) {
      changed_.wait_for(lock, std::chrono::milliseconds(20));
    } else {
      changed_.wait_until(lock, std::min(deadline, Clock::now() + std::chrono::milliseconds(20)));
    }
    if (Clock::now() >= deadline) return work.ended();
  }
  return work.ended();
}

void PointToPoint::background() {
  pthread_setname_np(pthread_self(), "xpulite_p2p");
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopped_) {
    changed_.wait(lock, [&] { return stopped_ || outstanding_ > 0; });
    // Whoever waits moves its own message with less delay than this thread would.
    changed_.wait_for(lock, kPatience, [&] { return stopped_; });
    if (stopped_ || driving_ || outstanding_ == 0) continue;
    drive_until([] { return false; }, Clock::now() + kMessageSlice, lock);
  }
}

bool PointToPoint::drain(Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (outstanding_ > 0 && !stopped_ && Clock::now() < deadline)
    changed_.wait_for(lock, std::chrono::milliseconds(5));
  return outstanding_ == 0;
}

void PointToPoint::stop(const std::string& reason) {
  std::thread thread;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (stopped_ && !thread_.joinable()) return;
    stopped_ = true;
    transport_->interrupt();
    changed_.notify_all();
    while (driving_) changed_.wait_for(lock, std::chrono::milliseconds(5));
    thread.swap(thread_);
  }
  if (thread.joinable()) {
    if (thread.get_id() == std::this_thread::get_id()) thread.detach();
    else thread.join();
  }
  waiting_.splice(waiting_.end(), fresh_);
  waiting_.splice(waiting_.end(), active_);
  std::list<Message> left;
  left.swap(waiting_);
  for (Message& message : left) {
    message.request.reset();
    ended_.emplace_back(std::move(message), std::make_exception_ptr(PeerError(reason)));
  }
  for (auto& [message, error] : ended_) {
    message.work->end(to_torch_error(error));
    message.work->call_back();
  }
  ended_.clear();
  outstanding_ = 0;
}

} // namespace xpu_lite::ccl
