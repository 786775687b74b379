#pragma once

// The order of a group's collectives. Jobs run one at a time, in the order of
// submission, on whoever comes first: the caller of a synchronous collective
// when nothing is queued (no thread is woken: that is most of the latency), a
// caller who waits for a queued job, or the queue's own thread.

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "backend/ccl/types.h"

namespace xpu_lite::ccl {

struct Job {
  virtual ~Job() = default;
  // Blocks until the collective may start (work of the caller's stream is done).
  virtual void prepare() {}
  virtual void run() noexcept = 0; // keeps its own error
  virtual void publish() noexcept = 0; // done() from here on
  // What users hang on the result. It may submit jobs: these run at once, before the
  // next of the queue, so that all ranks make the same calls in the same order
  // whether or not a result was there when its callback was added.
  virtual void call_back() noexcept = 0;
  virtual bool done() const noexcept = 0;
};

// Shared, because the queue's thread may be the one that drops the group.
class CommQueue : public std::enable_shared_from_this<CommQueue> {
 public:
  CommQueue() = default;
  ~CommQueue(); // stop() must have been called, or nothing is queued
  CommQueue(const CommQueue&) = delete;
  CommQueue& operator=(const CommQueue&) = delete;

  // Runs the job here and now if nothing is queued or running; false otherwise.
  bool try_run_here(Job& job);
  void submit(std::shared_ptr<Job> job);
  // Helps until the job is done or the deadline is over; true if it is done.
  bool help(const Job& job, Deadline deadline);
  bool idle() const;
  // True when everything submitted is done before the deadline.
  bool drain(Deadline deadline);
  // Ends the thread after the job it runs; what is queued stays undone and is returned.
  std::deque<std::shared_ptr<Job>> stop();

 private:
  void work();
  std::shared_ptr<Job> take(std::unique_lock<std::mutex>& lock); // lock held
  void perform(Job& job, std::unique_lock<std::mutex>& lock);    // lock held before and after
  static void perform_nested(Job& job);
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> jobs_;
  std::thread thread_;
  bool running_ = false, stopped_ = false;
};

} // namespace xpu_lite::ccl
