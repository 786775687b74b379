#pragma once

// Note [Host tasks]
// A task of the host in the order of a SYCL queue: two barriers go into the queue,
// of which the second depends on an event that the host completes. A thread waits
// for the first, runs the task, and completes the event. SYCL's own host_task is
// not used: once a queue has one, later submissions may block the calling thread.

#include <sycl/sycl.hpp>

#include <exception>
#include <functional>
#include <memory>

namespace xpu_lite::xpu {

class HostTasks {
 public:
  // Tasks run with `device` as the thread's current device. `failed` takes what a
  // task threw, before later work of the queue can run.
  HostTasks(int device, std::function<void(std::exception_ptr)> failed);
  ~HostTasks(); // waits for the tasks
  void submit(sycl::queue& queue, std::function<void()> task);

 private:
  // Shared with the thread, which may outlive this when the process exits.
  struct State;
  static void work(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

} // namespace xpu_lite::xpu
