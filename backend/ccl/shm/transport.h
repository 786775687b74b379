#pragma once

// The transport of ranks on one host: collectives on a Board, messages in a Mailbox,
// both in one Segment.

#include "backend/ccl/shm/board.h"
#include "backend/ccl/transport.h"

namespace xpu_lite::ccl::shm {

class ShmTransport : public Transport {
 public:
  explicit ShmTransport(const Group& group);
  // Peers that wait for this rank from now on are told that it has left.
  ~ShmTransport() override;

  const char* name() const noexcept override { return "shm"; }
  std::string describe() const override;
  int rank() const noexcept override { return members_.rank(); }
  int size() const noexcept override { return members_.size(); }

  void all_reduce(const Call&, const void* in, void* out, size_t count, DataType,
                  const Reduction&) override;
  void reduce(const Call&, const void* in, void* out, size_t count, DataType, const Reduction&,
              int root) override;
  void broadcast(const Call&, void* data, size_t bytes, int root) override;
  void all_gather(const Call&, ConstSlice in, const Slice* outs) override;
  void gather(const Call&, ConstSlice in, const Slice* outs, int root) override;
  void scatter(const Call&, const ConstSlice* ins, Slice out, int root) override;
  void reduce_scatter(const Call&, const void* const* ins, const size_t* counts, void* out,
                      DataType, const Reduction&) override;
  void all_to_all(const Call&, const ConstSlice* ins, const Slice* outs) override;
  void barrier(const Call&) override;

  std::unique_ptr<Request> send(const Call&, ConstSlice data, int to, int64_t tag) override;
  std::unique_ptr<Request> recv(const Call&, Slice data, int from, int64_t tag) override;
  void progress() override { mailbox_.progress(); }
  void await_progress(std::chrono::microseconds limit) override {
    mailbox_.await_progress(limit);
  }
  void interrupt() noexcept override { mailbox_.interrupt(); }

  void abort(const std::string& reason) noexcept override { members_.abort(reason); }
  std::string broken() const override { return members_.reason(); }

 private:
  void check_root(int root) const;
  void check_own(size_t given, size_t taken) const;
  // What a group of one does instead of a step.
  bool alone() const;

  Segment segment_;
  Members members_;
  Board board_;
  Mailbox mailbox_;
  const int process_; // where it was made: a forked child must not leave for its parent
};

} // namespace xpu_lite::ccl::shm
