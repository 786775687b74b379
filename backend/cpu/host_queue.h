#pragma once

// A queue of the host engine: an ordered list of tasks and one worker thread,
// started by the first task.

#include "backend/runtime/engine.h"

namespace xpu_lite::cpu {

class HostQueue final : public Queue {
 public:
  // `cores`: those the worker is bound to; empty leaves it unbound.
  HostQueue(int device, std::vector<int> cores);
  ~HostQueue() override;
  void submit(std::string name, std::function<void()> task) override;
  bool idle() const noexcept override;
  void wait() override;
  std::exception_ptr take_error() noexcept override;

 private:
  // Shared with the worker, which may outlive the queue when the process exits.
  struct State;
  static void work(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

} // namespace xpu_lite::cpu
