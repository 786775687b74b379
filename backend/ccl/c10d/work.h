#pragma once

// What a collective returns. It is complete when the data is there: a transport
// works in host memory, so nothing is left to order on the device afterwards.
//
// wait() follows the rule of device streams: the current stream waits, and the
// host only where that stream runs on the host anyway (the default stream).

#include <torch/csrc/distributed/c10d/Work.hpp>

#include "backend/ccl/c10d/comm_queue.h"

namespace xpu_lite::ccl {

using c10d::OpType;

class WorkXpuLite : public c10d::Work {
 public:
  WorkXpuLite(int rank, OpType type, const char* title, std::vector<at::Tensor> inputs,
              std::vector<at::Tensor> outputs, uint64_t sequence, c10::Device device);

  bool isCompleted() override;
  bool isSuccess() const override;
  int sourceRank() const override;
  std::vector<at::Tensor> result() override;
  // Throws the error of the collective. timeout 0: none but the collective's own.
  bool wait(std::chrono::milliseconds timeout) override;
  void synchronize() override;
  void blockCurrentStream() override;
  void abort() override;
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override;
  // The collective's WorkResult as an int, never an error.
  c10::intrusive_ptr<c10::ivalue::Future> getFutureResult() override;
  float getDuration() const override; // milliseconds
  uint64_t getSequencenumber() const override { return sequence_; }

  // Sets the result, once.
  void end(std::exception_ptr error) noexcept;
  // After end(): completes the futures, which runs what users hung on them.
  void call_back() noexcept;
  bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }
  void mark_start() noexcept { start_ = Clock::now(); }
  void set_source(int rank) noexcept { source_ = rank; }
  c10d::WorkResult outcome() const;
  Clock::time_point start_time() const { return start_; }
  Clock::time_point end_time() const { return end_; }

  // How a waiter may do the work itself; returns true when it is done.
  std::function<bool(Deadline)> help;
  std::function<void()> on_abort;

 private:
  bool block(Deadline deadline);
  [[noreturn]] void throw_timeout(std::chrono::milliseconds timeout);
  std::vector<at::Tensor> outputs_;
  c10::intrusive_ptr<c10::ivalue::Future> future_, result_future_;
  bool futures_wait_ = false; // made before end(): call_back() completes them
  uint64_t sequence_;
  c10::Device device_;
  int source_ = -1;
  std::atomic<bool> ended_{false};
  Clock::time_point start_{}, end_{};
};

// Several works as one: what a coalescing block returns.
class CoalescedWork : public c10d::Work {
 public:
  CoalescedWork(int rank, std::vector<c10::intrusive_ptr<c10d::Work>> works);
  bool isCompleted() override;
  bool isSuccess() const override;
  std::exception_ptr exception() const override;
  bool wait(std::chrono::milliseconds timeout) override;
  void synchronize() override;
  std::vector<at::Tensor> result() override;
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override;
  uint64_t getSequencenumber() const override;

 private:
  std::vector<c10::intrusive_ptr<c10d::Work>> works_;
};

// The exception that a PyTorch user expects for an error of a transport.
std::exception_ptr to_torch_error(std::exception_ptr error) noexcept;

} // namespace xpu_lite::ccl
