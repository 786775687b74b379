#pragma once

// A stream of the SYCL engine: one in-order sycl::queue. Kernels and copies are
// submitted to it directly; host tasks run on a thread of this class's own, behind
// a gate that keeps later work of the queue back (Note [Host tasks]).

#include <sycl/sycl.hpp>

#include <atomic>
#include <memory>
#include <mutex>

#include "backend/runtime/engine.h"

namespace xpu_lite::xpu {

class HostTasks;

// Nanoseconds to add to the times of the device's events for the host's steady
// clock. Measured once.
int64_t clock_offset_ns(int device);

class SyclMark final : public Mark {
 public:
  SyclMark(sycl::event event, int device, bool timing)
      : event_(std::move(event)), device_(device), timing_(timing) {}
  bool done() const noexcept override;
  void wait() override;
  int64_t time_ns() const override;
  const sycl::event& event() const { return event_; }

 private:
  mutable sycl::event event_;
  int device_;
  bool timing_;
};

class SyclQueue final : public Queue {
 public:
  SyclQueue(const sycl::context& context, const sycl::device& device, int index, int priority);
  ~SyclQueue() override;
  void submit(std::string name, std::function<void()> task) override;
  bool idle() const noexcept override;
  void wait() override;
  std::exception_ptr take_error() noexcept override;
  std::shared_ptr<Mark> mark(bool timing) override;
  void wait_for(const Mark& mark) override;
  void* native_handle() const noexcept override { return const_cast<sycl::queue*>(&queue_); }

  void keep_error(std::exception_ptr error) noexcept; // the first one is kept

 private:
  struct Failure { // shared with the queue's handler of asynchronous errors
    std::mutex mutex;
    std::exception_ptr error;
    std::atomic<bool> any{false};
    void keep(std::exception_ptr e) noexcept;
  };
  const int index_;
  std::shared_ptr<Failure> failure_;
  mutable sycl::queue queue_;
  std::unique_ptr<HostTasks> host_tasks_;
};

} // namespace xpu_lite::xpu
