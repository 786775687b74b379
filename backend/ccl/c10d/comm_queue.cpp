#include "backend/ccl/c10d/comm_queue.h"

#include <pthread.h>

#include <utility>

namespace xpu_lite::ccl {

namespace {
// The queue whose job the calling thread is in the middle of.
thread_local const CommQueue* inside = nullptr;
} // namespace

CommQueue::~CommQueue() { stop(); }

void CommQueue::perform(Job& job, std::unique_lock<std::mutex>& lock) {
  running_ = true;
  lock.unlock();
  const CommQueue* outer = std::exchange(inside, this);
  job.prepare();
  job.run();
  {
    std::lock_guard<std::mutex> guard(mutex_); // a waiter looks at done() under it
    job.publish();
  }
  changed_.notify_all();
  job.call_back();
  inside = outer;
  lock.lock();
  running_ = false;
  changed_.notify_all();
}

void CommQueue::perform_nested(Job& job) {
  job.prepare();
  job.run();
  job.publish();
  job.call_back();
}

bool CommQueue::try_run_here(Job& job) {
  if (inside == this) {
    perform_nested(job);
    return true;
  }
  std::unique_lock<std::mutex> lock(mutex_);
  if (stopped_ || running_ || !jobs_.empty()) return false;
  perform(job, lock);
  return true;
}

void CommQueue::submit(std::shared_ptr<Job> job) {
  if (inside == this) {
    perform_nested(*job);
    return;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  if (stopped_) throw Error("the process group was shut down");
  jobs_.push_back(std::move(job));
  if (!thread_.joinable()) thread_ = std::thread([self = shared_from_this()] { self->work(); });
  changed_.notify_all();
}

std::shared_ptr<Job> CommQueue::take(std::unique_lock<std::mutex>&) {
  std::shared_ptr<Job> job = std::move(jobs_.front());
  jobs_.pop_front();
  return job;
}

bool CommQueue::help(const Job& job, Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!job.done()) {
    if (inside == this) { // a callback waits: nobody else can run the queue
      if (jobs_.empty()) return false;
      std::shared_ptr<Job> next = take(lock);
      lock.unlock();
      perform_nested(*next);
      next.reset();
      lock.lock();
      continue;
    }
    if (!running_ && !jobs_.empty() && !stopped_) {
      std::shared_ptr<Job> next = take(lock);
      perform(*next, lock);
      lock.unlock();
      next.reset(); // tensors it kept may need the interpreter's lock
      lock.lock();
      continue;
    }
    if (deadline == Deadline::max()) {
      changed_.wait(lock);
    } else if (changed_.wait_until(lock, deadline) == std::cv_status::timeout) {
      return job.done();
    }
  }
  return true;
}

bool CommQueue::idle() const {
  if (inside == this) return true; // nobody can wait for the job it is in
  std::lock_guard<std::mutex> lock(mutex_);
  return jobs_.empty() && !running_;
}

bool CommQueue::drain(Deadline deadline) {
  if (inside == this) return true;
  std::unique_lock<std::mutex> lock(mutex_);
  auto is_idle = [&] { return stopped_ || (jobs_.empty() && !running_); };
  if (deadline == Deadline::max()) {
    changed_.wait(lock, is_idle);
    return true;
  }
  return changed_.wait_until(lock, deadline, is_idle);
}

void CommQueue::work() {
  pthread_setname_np(pthread_self(), "xpulite_comm");
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopped_ || (!running_ && !jobs_.empty()); });
    if (stopped_) return;
    std::shared_ptr<Job> job = take(lock);
    perform(*job, lock);
    lock.unlock();
    job.reset();
    lock.lock();
  }
}

std::deque<std::shared_ptr<Job>> CommQueue::stop() {
  std::thread thread;
  std::deque<std::shared_ptr<Job>> left;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
    left.swap(jobs_);
    thread.swap(thread_);
    changed_.notify_all();
  }
  if (thread.joinable()) {
    // A callback on the queue's own thread may drop the last reference to the group.
    if (thread.get_id() == std::this_thread::get_id()) thread.detach();
    else thread.join();
  }
  return left;
}

} // namespace xpu_lite::ccl
