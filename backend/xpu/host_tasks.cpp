#include "backend/xpu/host_tasks.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "backend/runtime/device.h"
#include "backend/runtime/stream.h"
#include "backend/xpu/host_event.h"

namespace xpu_lite::xpu {
namespace {

struct Task {
  sycl::event before; // all earlier work of the queue
  std::unique_ptr<HostEvent> gate;
  std::function<void()> run;
};

std::atomic<bool> exiting{false};

// A task owns tensors: who submits without end waits for half of them.
constexpr size_t kMostQueued = 1024;

} // namespace

struct HostTasks::State {
  int device = 0;
  std::function<void(std::exception_ptr)> failed;
  std::mutex mutex;
  std::mutex order; // of the barriers and the list of tasks
  std::condition_variable submitted, finished;
  std::deque<Task> tasks;
  std::thread worker;
  bool stop = false, running = false;

  // At exit: lets the device go on, without the tasks that have not begun. They
  // are leaked, as the libraries that their tensors need may be gone.
  void abandon(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock<std::mutex> lock(mutex);
    stop = true;
    submitted.notify_all();
    finished.notify_all();
    if (!in_bad_fork()) {
      finished.wait_until(lock, deadline, [&] { return !running; });
      for (Task& task : tasks) task.gate->signal();
    }
    new std::deque<Task>(std::move(tasks));
    tasks.clear();
    if (worker.joinable()) worker.detach();
  }
};

namespace {

struct All { // leaked: threads and the exit handler use it in any order
  std::mutex mutex;
  std::vector<std::weak_ptr<void>> states;
};
All& all() {
  static All& instance = *new All;
  return instance;
}

} // namespace

HostTasks::HostTasks(int device, std::function<void(std::exception_ptr)> failed)
    : state_(std::make_shared<State>()) {
  state_->device = device;
  state_->failed = std::move(failed);
}

HostTasks::~HostTasks() {
  std::thread worker;
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stop = true;
    state_->submitted.notify_all();
    worker = std::move(state_->worker);
  }
  if (!worker.joinable()) return;
  if (worker.get_id() == std::this_thread::get_id() || in_bad_fork()) worker.detach();
  else worker.join();
}

void HostTasks::work(std::shared_ptr<State> state) {
  State& s = *state;
  pthread_setname_np(pthread_self(), "xpu_lite_stream");
  set_device(s.device);
  run_worker_start_hook({});
  std::unique_ptr<HostEvent> passed; // the driver may still look at it
  std::unique_lock<std::mutex> lock(s.mutex);
  while (true) {
    s.submitted.wait(lock, [&] { return s.stop || !s.tasks.empty(); });
    if (exiting.load() || s.tasks.empty()) return;
    Task task = std::move(s.tasks.front());
    s.tasks.pop_front();
    if (s.tasks.size() <= kMostQueued / 2) s.finished.notify_all();
    s.running = true;
    lock.unlock();
    try {
      task.before.wait();
    } catch (...) {
      s.failed(std::current_exception());
    }
    passed.reset();
    std::exception_ptr error;
    try {
      task.run();
    } catch (...) {
      error = std::current_exception();
    }
    task.run = nullptr; // what it owns goes before anybody is told it is done
    if (error) s.failed(error);
    error = nullptr;
    task.gate->signal();
    passed = std::move(task.gate);
    lock.lock();
    s.running = false;
    s.finished.notify_all();
  }
}

void HostTasks::submit(sycl::queue& queue, std::function<void()> run) {
  State& s = *state_;
  std::lock_guard<std::mutex> order(s.order);
  {
    std::unique_lock<std::mutex> lock(s.mutex);
    if (s.tasks.size() >= kMostQueued && !Stream::of_worker())
      s.finished.wait(lock, [&] { return s.tasks.size() <= kMostQueued / 2 || s.stop; });
  }
  if (exiting.load()) {
    new std::function<void()>(std::move(run)); // leaked
    return;
  }
  Task task{queue.ext_oneapi_submit_barrier(), make_host_event(queue.get_context()),
            std::move(run)};
  queue.ext_oneapi_submit_barrier({task.gate->event()});
  std::lock_guard<std::mutex> lock(s.mutex);
  if (!s.worker.joinable()) {
    static std::once_flag& once = *new std::once_flag;
    std::call_once(once, [] {
      std::atexit([] {
        exiting.store(true);
        std::vector<std::weak_ptr<void>> states;
        {
          std::lock_guard<std::mutex> guard(all().mutex);
          states = all().states;
        }
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
        for (auto& weak : states)
          if (auto state = std::static_pointer_cast<State>(weak.lock())) state->abandon(deadline);
      });
    });
    {
      std::lock_guard<std::mutex> guard(all().mutex);
      all().states.push_back(state_);
    }
    s.worker = std::thread(work, state_);
  }
  s.tasks.push_back(std::move(task));
  s.submitted.notify_one();
}

} // namespace xpu_lite::xpu
