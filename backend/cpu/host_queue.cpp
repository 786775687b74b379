// The worker's life: it starts with the first task, is joined when its queue is
// destroyed, and is told to stop when the process exits. Streams are never
// destroyed, so at exit a handler makes every worker drop what has not begun and
// waits a moment for what has. Dropped tasks are leaked on purpose: they may own
// tensors, and the libraries those need may be gone by then.

#include "backend/cpu/host_queue.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "backend/runtime/device.h"
#include "backend/runtime/error.h"
#include "backend/runtime/stream.h"

namespace xpu_lite::cpu {

struct Task {
  std::string name;
  std::function<void()> run;
};

struct HostQueue::State {
  int device = 0;
  std::vector<int> cores;
  std::mutex mutex;
  std::condition_variable submitted, finished, drained;
  std::deque<Task> tasks;
  std::atomic<int64_t> outstanding{0}; // queued and running
  std::atomic<int64_t> queued{0};      // for the worker's spin
  std::atomic<bool> failed{false};
  std::exception_ptr error;
  std::thread worker;
  std::thread::id worker_id;
  bool started = false, sleeping = false, stop = false, running = false;
};

namespace {

// Leaked, as workers and the exit handler may use it in any order.
struct Workers {
  std::mutex mutex;
  std::vector<std::weak_ptr<void>> states;
};
Workers& workers() {
  static Workers& all = *new Workers;
  return all;
}
std::atomic<bool> exiting{false};

// Who submits more waits until half of it is done: a task owns its tensors, so a
// program that never synchronises would fill the memory. Workers never wait here:
// two could wait for each other.
constexpr int64_t kMostOutstanding = 1024;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

void bind_to(const std::vector<int>& cores) {
  if (cores.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int core : cores) CPU_SET(core, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

} // namespace

HostQueue::HostQueue(int device, std::vector<int> cores)
    : state_(std::make_shared<State>()) {
  state_->device = device;
  state_->cores = std::move(cores);
}

HostQueue::~HostQueue() {
  State& s = *state_;
  std::thread worker;
  {
    std::unique_lock<std::mutex> lock(s.mutex);
    if (!s.started) return;
    s.stop = true;
    s.submitted.notify_all();
    worker = std::move(s.worker);
  }
  if (!worker.joinable()) return;
  if (worker.get_id() == std::this_thread::get_id() || in_bad_fork()) worker.detach();
  else worker.join();
}

void HostQueue::work(std::shared_ptr<State> state) {
  State& s = *state;
  pthread_setname_np(pthread_self(), "xpu_lite_stream");
  bind_to(s.cores);
  // Work of this queue means this device when it says "current".
  set_device(s.device);
  run_worker_start_hook(s.cores);
  const bool may_spin = std::thread::hardware_concurrency() > 1;
  std::unique_lock<std::mutex> lock(s.mutex);
  while (true) {
    if (s.tasks.empty() && !s.stop && may_spin) {
      // The next task is often a few microseconds away: a wake-up costs more.
      lock.unlock();
      for (int i = 0; i < 400 && s.queued.load(std::memory_order_relaxed) == 0; ++i) pause();
      lock.lock();
    }
    while (s.tasks.empty() && !s.stop) {
      s.sleeping = true;
      s.submitted.wait(lock);
      s.sleeping = false;
    }
    if (exiting.load() || s.tasks.empty()) break;
    Task task = std::move(s.tasks.front());
    s.tasks.pop_front();
    s.queued.fetch_sub(1, std::memory_order_relaxed);
    s.running = true;
    lock.unlock();
    std::exception_ptr error;
    try {
      task.run();
    } catch (...) {
      error = std::current_exception();
    }
    task.run = nullptr; // what it owns goes before anybody is told it is done
    lock.lock();
    s.running = false;
    if (error && !s.error) {
      s.error = error;
      s.failed.store(true, std::memory_order_release);
    }
    error = nullptr;
    const int64_t left = s.outstanding.fetch_sub(1, std::memory_order_acq_rel) - 1;
    if (left == 0) s.finished.notify_all();
    if (left == kMostOutstanding / 2) s.drained.notify_all();
  }
  s.finished.notify_all();
  s.drained.notify_all();
}

void HostQueue::submit(std::string name, std::function<void()> task) {
  if (in_bad_fork()) initialize(); // throws
  State& s = *state_;
  std::unique_lock<std::mutex> lock(s.mutex);
  if (s.outstanding.load() >= kMostOutstanding && !Stream::of_worker())
    s.drained.wait(lock, [&] {
      return s.outstanding.load() <= kMostOutstanding / 2 || exiting.load();
    });
  if (exiting.load()) {
    new Task{std::move(name), std::move(task)}; // leaked, see the top of this file
    return;
  }
  if (!s.started) {
    static std::once_flag& once = *new std::once_flag;
    std::call_once(once, [] {
      std::atexit([] {
        exiting.store(true);
        std::vector<std::weak_ptr<void>> states;
        {
          std::lock_guard<std::mutex> guard(workers().mutex);
          states = workers().states;
        }
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
        for (auto& weak : states) {
          auto state = std::static_pointer_cast<State>(weak.lock());
          if (!state) continue;
          std::unique_lock<std::mutex> guard(state->mutex);
          state->stop = true;
          state->submitted.notify_all();
          state->drained.notify_all();
          if (!in_bad_fork())
            state->finished.wait_until(guard, deadline, [&] { return !state->running; });
          new std::deque<Task>(std::move(state->tasks));
          state->tasks.clear();
          if (state->worker.joinable()) state->worker.detach();
        }
      });
    });
    {
      std::lock_guard<std::mutex> guard(workers().mutex);
      workers().states.push_back(state_);
    }
    s.worker = std::thread(work, state_);
    s.worker_id = s.worker.get_id();
    s.started = true;
  }
  s.tasks.push_back({std::move(name), std::move(task)});
  s.outstanding.fetch_add(1, std::memory_order_acq_rel);
  s.queued.fetch_add(1, std::memory_order_relaxed);
  if (s.sleeping) s.submitted.notify_one();
}

bool HostQueue::idle() const noexcept {
  return state_->outstanding.load(std::memory_order_acquire) == 0;
}

void HostQueue::wait() {
  if (idle()) return;
  State& s = *state_;
  std::unique_lock<std::mutex> lock(s.mutex);
  if (s.worker_id == std::this_thread::get_id()) return;
  if (in_bad_fork()) return; // the worker stayed in the parent
  s.finished.wait(lock, [&] { return idle() || exiting.load(); });
}

std::exception_ptr HostQueue::take_error() noexcept {
  State& s = *state_;
  if (!s.failed.load(std::memory_order_acquire)) return nullptr;
  std::lock_guard<std::mutex> lock(s.mutex);
  s.failed.store(false, std::memory_order_release);
  return std::exchange(s.error, nullptr);
}

} // namespace xpu_lite::cpu
