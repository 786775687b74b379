#pragma once

// The process group "xpulite": collectives of tensors on xpu_lite and on the CPU,
// over a transport. It checks and unpacks arguments, numbers the calls, keeps their
// order with the device's streams, and tells what went wrong; it moves no data.

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "backend/ccl/c10d/comm_queue.h"
#include "backend/ccl/c10d/point_to_point.h"
#include "backend/ccl/c10d/work.h"
#include "backend/ccl/transport.h"

namespace xpu_lite::ccl {

constexpr const char* kBackendName = "xpulite";

class ProcessGroupXpuLite : public c10d::Backend {
 public:
  using Tensors = std::vector<at::Tensor>;
  using WorkPtr = c10::intrusive_ptr<c10d::Work>;

  struct Options : c10d::Backend::Options {
    explicit Options(std::chrono::milliseconds timeout = kBackendDefaultTimeout)
        : c10d::Backend::Options(kBackendName, timeout) {}
  };

  // Meets the other ranks through `store` and chooses the transport; blocks until
  // all are there, at most for the timeout.
  ProcessGroupXpuLite(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                      c10::intrusive_ptr<Options> options);
  ~ProcessGroupXpuLite() override;

  const std::string getBackendName() const override { return kBackendName; }
  c10::intrusive_ptr<c10d::Backend::Options> getBackendOptions() override { return options_; }
  bool supportsSplitting() const override { return true; }
  bool supportsCoalescing() const override { return true; }
  void setTimeout(std::chrono::milliseconds timeout) override { options_->timeout = timeout; }

  WorkPtr broadcast(Tensors& tensors, const c10d::BroadcastOptions& opts) override;
  WorkPtr allreduce(Tensors& tensors, const c10d::AllreduceOptions& opts) override;
  WorkPtr allreduce_sparse(Tensors& tensors, const c10d::AllreduceOptions& opts) override;
  WorkPtr allreduce_coalesced(Tensors& tensors,
                              const c10d::AllreduceCoalescedOptions& opts) override;
  WorkPtr reduce(Tensors& tensors, const c10d::ReduceOptions& opts) override;
  WorkPtr allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                    const c10d::AllgatherOptions& opts) override;
  WorkPtr _allgather_base(at::Tensor& output, at::Tensor& input,
                          const c10d::AllgatherOptions& opts) override;
  WorkPtr allgather_coalesced(std::vector<Tensors>& outputs, Tensors& inputs,
                              const c10d::AllgatherOptions& opts) override;
  WorkPtr allgather_into_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                          const c10d::AllgatherOptions& opts) override;
  WorkPtr gather(std::vector<Tensors>& outputs, Tensors& inputs,
                 const c10d::GatherOptions& opts) override;
  WorkPtr scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                  const c10d::ScatterOptions& opts) override;
  WorkPtr reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                         const c10d::ReduceScatterOptions& opts) override;
  WorkPtr _reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                               const c10d::ReduceScatterOptions& opts) override;
  WorkPtr reduce_scatter_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                          const c10d::ReduceScatterOptions& opts) override;
  WorkPtr alltoall_base(at::Tensor& output, at::Tensor& input,
                        std::vector<int64_t>& output_splits,
                        std::vector<int64_t>& input_splits,
                        const c10d::AllToAllOptions& opts) override;
  WorkPtr alltoall(Tensors& outputs, Tensors& inputs,
                   const c10d::AllToAllOptions& opts) override;
  WorkPtr barrier(const c10d::BarrierOptions& opts) override;
  void monitoredBarrier(const c10d::BarrierOptions& opts, bool wait_all_ranks) override;

  WorkPtr send(Tensors& tensors, int to, int tag) override;
  WorkPtr recv(Tensors& tensors, int from, int tag) override;
  WorkPtr recvAnysource(Tensors& tensors, int tag) override;

  // Calls between the two are one Work.
  void startCoalescing() override;
  WorkPtr endCoalescing() override;

  void setSequenceNumberForGroup() override {} // both sides count from 0
  uint64_t getSequenceNumberForGroup() override { return sequence_; }
  void enableCollectivesTiming() override {} // durations are always there
  void registerOnCompletionHook(
      std::function<void(std::shared_ptr<c10d::WorkInfo>)>&& hook) override;
  void waitForPendingWorks() override;
  c10d::ErrorType getError() override;

  // A group of some ranks of this one; null on the others.
  c10::intrusive_ptr<c10d::Backend> split(
      const c10::intrusive_ptr<c10d::Store>& store, const std::vector<int>& ranks,
      const c10::intrusive_ptr<c10d::Backend::Options>& opts) override;

  // Breaks the group on all ranks: what waits throws.
  void abort() override;
  // Waits a moment for what is under way, then ends the threads. Idempotent.
  void shutdown() override;

  // shutdown() of every group there is: when the program ends, threads that hold
  // tensors must end while Python still runs.
  static void shutdown_all();

  std::string transport_name() const;
  std::string describe() const; // one line: the transport and its parameters

 private:
  struct CallInfo;
  template <class Body>
  WorkPtr run(const CallInfo& info, Tensors inputs, Tensors outputs, Body body);
  WorkPtr exchange(OpType type, Tensors& tensors, int peer, int tag);
  std::chrono::milliseconds timeout_of(std::chrono::milliseconds asked) const;
  Call make_call(Collective kind, uint64_t sequence, std::chrono::milliseconds timeout) const;
  void check_usable(const char* op) const;
  int check_root(const char* op, int64_t root) const;
  void finish_hook(const WorkXpuLite& work, OpType type);
  void close(const std::string& reason);

  c10::intrusive_ptr<Options> options_;
  c10::intrusive_ptr<c10d::Store> c10d_store_;
  std::shared_ptr<Store> store_;
  std::shared_ptr<Transport> transport_;
  std::shared_ptr<CommQueue> queue_;
  std::shared_ptr<PointToPoint> messages_;
  std::atomic<uint64_t> sequence_{0}, message_sequence_{0}; // submitted
  // Collectives that have begun; jobs share it, as the last may outlive the group.
  std::shared_ptr<std::atomic<uint64_t>> executed_ =
      std::make_shared<std::atomic<uint64_t>>(0);
  uint64_t monitored_barriers_ = 0;
  std::mutex mutex_; // order of number and queue, coalescing, shutdown
  bool coalescing_ = false, closed_ = false;
  std::vector<WorkPtr> coalesced_;
  int device_wait_ = -1; // of the runtime: synchronize() waits for collectives, too
  // A group over several device types is split once for all of them.
  c10::intrusive_ptr<c10d::Store> split_store_;
  c10::intrusive_ptr<c10d::Backend> split_result_;
};

} // namespace xpu_lite::ccl
