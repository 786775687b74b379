#pragma once

// Inside the mailbox: the operations under way and what is known of each channel.
// mailbox_send.cpp fills rings, mailbox_recv.cpp empties them and matches messages
// with receives, mailbox.cpp has the rest. All of it under one lock.

#include <atomic>
#include <deque>
#include <exception>
#include <mutex>
#include <vector>

#include "backend/ccl/shm/channel.h"
#include "backend/ccl/shm/mailbox.h"
#include "backend/ccl/shm/slot_writer.h"

namespace xpu_lite::ccl::shm {

// A send or a receive. Shared by its request, the queue that it waits in, and the
// message that is filling it.
struct Operation {
  Call call;
  std::byte* data = nullptr; // a send only reads it
  size_t bytes = 0;
  int64_t tag = 0;
  int peer = -1;      // -1: a receive from whoever sends
  uint64_t order = 0; // of receives: which was posted first
  Clock::time_point start;
  size_t moved = 0;
  bool begun = false;    // the header of a send is in the ring
  bool orphan = false;   // nobody holds the request any more
  std::vector<std::byte> kept; // an orphan's data
  int source = -1;
  std::exception_ptr error;      // written before `done`
  std::atomic<bool> done{false}; // read without the lock

  bool is_send() const { return call.kind == Collective::Send; }
};
using OperationPtr = std::shared_ptr<Operation>;

// A message that came before anybody asked for its tag, or one sent to oneself.
struct EarlyMessage {
  int64_t tag;
  uint64_t bytes;
  uint64_t sequence;
  uint64_t order; // of arrival, among those of all ranks
  std::unique_ptr<std::byte[]> data;
  size_t moved = 0;
  OperationPtr sender; // to oneself, and too large to be copied: holds the data
};
using EarlyPtr = std::shared_ptr<EarlyMessage>;

class Mailbox::State {
 public:
  State(std::byte* area, int rank, int size, Health& health, Reserve reserve);

  OperationPtr send(const Call& call, ConstSlice data, int to, int64_t tag);
  OperationPtr recv(const Call& call, Slice data, int from, int64_t tag);
  void progress();
  void await_progress(std::chrono::microseconds limit);
  void interrupt() noexcept;
  void wake_all() noexcept;
  void close();                            // the area goes away
  bool withdraw(const OperationPtr& op);   // a receive that nothing is matched to
  void abandon(const OperationPtr& op);    // its request is destroyed

 private:
  struct Outbound { // to one rank
    Channel* channel = nullptr;
    std::byte* ring = nullptr;
    SlotWriter writer;
    bool reserved = false;
    uint64_t written = 0;
    uint64_t read_seen = 0; // the receiver's counter as last looked at
    std::deque<OperationPtr> queue;
  };
  struct Inbound { // from one rank
    Channel* channel = nullptr;
    const std::byte* ring = nullptr;
    uint64_t read = 0;
    uint64_t written_seen = 0;
    // The message that is being taken out, and where to: an operation, the heap, or
    // (both null) nowhere, because its receive was given up.
    bool active = false;
    MessageHeader header{};
    size_t moved = 0;
    OperationPtr target;
    EarlyPtr early_target;
    std::deque<EarlyPtr> early;
    std::deque<OperationPtr> posted;
  };

  // mailbox_send.cpp
  void reserve_ring(const Operation& op);
  void push(int to);
  void send_to_self(const OperationPtr& op);
  // mailbox_recv.cpp
  void pull(int from);
  bool begin_message(int from, Inbound& in);
  void take_data(Inbound& in, size_t available);
  bool claim_early(const OperationPtr& op);
  OperationPtr take_posted(Inbound& in, int64_t tag);
  bool fits(const OperationPtr& op, int from, uint64_t bytes, uint64_t sequence);
  bool wanted(const Inbound& in) const { return !in.posted.empty() || !any_source_.empty(); }
  // mailbox.cpp
  void ring(int rank) noexcept;
  void finish(const OperationPtr& op);
  void fail(const OperationPtr& op, std::exception_ptr error);
  template <class E>
  void break_with(const OperationPtr& op, const std::string& what);
  void fail_all(const std::string& reason);
  void look_after(Clock::time_point now);
  // Why the operation can never end; empty if it may.
  std::string why_hopeless(const Operation& op, const std::vector<Health::Peer>& peers) const;
  std::string lateness(const Operation& op, Clock::time_point now) const;
  void remove(const OperationPtr& op);
  std::vector<OperationPtr> pending() const;
  bool may_move() const;
  bool spin(Clock::time_point end);
  std::string text_of(const Operation& op) const;
  std::string context(const std::string& text) const;
  void check_working() const;
  void watch(Operation& op);

  static constexpr size_t kBudget = size_t{1} << 20; // bytes a channel moves in a turn

  std::mutex mutex_;
  std::byte* area_;
  const int rank_;
  const int size_;
  const MailboxLayout layout_;
  const size_t ring_bytes_;
  const size_t piece_; // published at once, so that both sides copy at the same time
  Health* health_;
  Reserve reserve_;
  bool closed_ = false;
  const int process_; // a forked child shares nothing of this but the memory
  std::vector<Outbound> outs_;
  std::vector<Inbound> ins_;
  std::deque<OperationPtr> any_source_;
  uint64_t next_order_ = 0;
  int turn_ = 0;      // which rank comes first in the next progress()
  bool more_ = false; // a channel stopped at its budget
  Clock::time_point next_look_ = Clock::time_point::max();
  Clock::time_point next_peers_{};
  std::atomic<bool> interrupted_{false};
  int64_t spin_ns_ = 20000;
};

} // namespace xpu_lite::ccl::shm
