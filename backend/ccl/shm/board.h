#pragma once

// The step protocol that every collective in shared memory is made of.
//
// Note [Board]
// All ranks count the same steps. In step s a rank may fill its slot s % K and post
// it, wait for other ranks' slots of that step and read them, and then finishes the
// step: it reads nothing of it any more. A slot is filled again only when all ranks
// have finished the step that it held, so a rank is at most K steps ahead of another.
// Every collective takes a number of steps that all ranks know, whoever posts.
//
// A collective is: begin(call, mine); for its steps t = 0, 1, ... write and post, or
// read, then finish(t), in the order of t; end(steps).
//
// Failures leave as exceptions and break the group for all ranks (see Members).

#include <vector>

#include "backend/ccl/shm/members.h"
#include "backend/ccl/shm/slot_writer.h"
#include "backend/ccl/shm/waiter.h"

namespace xpu_lite::ccl::shm {

class Board : private Patience {
 public:
  Board(Segment& segment, Members& members);

  int rank() const { return rank_; }
  int size() const { return size_; }
  int label(int rank) const { return members_.label(rank); } // for messages
  // Bytes that a slot holds.
  size_t capacity() const { return capacity_; }

  // `uniform`: every rank's description has the same bytes, so check_all compares them.
  void begin(const Call& call, const Description& mine, bool uniform);
  void end(uint64_t steps) noexcept { step_ += steps; }

  // Waits until the slot of step t is free; `bytes` of data go to what it returns.
  std::byte* write(uint64_t t, size_t bytes);
  // Copies into what write() returned.
  void put(std::byte* to, const void* from, size_t bytes) { writer_.copy(to, from, bytes); }
  void post(uint64_t t) noexcept;
  // Waits for the peer's data of step t. `described_bytes` is what its description
  // must say; or any.
  static constexpr uint64_t kAny = ~uint64_t{0};
  const std::byte* read(int peer, uint64_t t, uint64_t described_bytes);
  // What it said instead of kAny.
  uint64_t described_bytes(int peer, uint64_t t) {
    return segment_.slot(peer, step_ + t).description.bytes;
  }
  void finish(uint64_t t) noexcept;

  // Memory of this rank alone, until the next call of it.
  std::byte* scratch(size_t bytes);
  // Whether there are more ranks than cores.
  bool crowded() const { return !members_.may_spin(); }
  // Room for one pointer per rank.
  const void** pointers() { return pointers_.data(); }
  const Description& mine() const { return mine_; }
  // Breaks the group with a MismatchError and throws it.
  [[noreturn]] void mismatch(const std::string& what);

 private:
  void check(bool slept) override;
  void compare(int peer, const Slot& slot, uint64_t described_bytes);
  void check_everybody(bool uniform);
  void await(std::atomic<uint64_t>& word, std::atomic<uint32_t>& sleepers, uint64_t value,
             int peer);
  [[noreturn]] void fail(Failure kind, const std::string& text);
  std::string context() const; // "all_reduce #3 (...) of process group 'x' on rank 1"
  std::string late() const;

  Segment& segment_;
  Members& members_;
  const int rank_;
  const int size_;
  const size_t capacity_;
  const uint64_t slots_;
  Waiter waiter_;
  SlotWriter writer_;
  uint64_t step_ = 0;         // the first step of the call under way, or of the next
  std::vector<uint64_t> seen_; // of each rank: steps known to be finished
  std::vector<const void*> pointers_;
  std::vector<std::byte> scratch_;
  Description mine_;
  Deadline deadline_ = Deadline::max();
  // The wait under way, for check().
  std::atomic<uint64_t>* word_ = nullptr;
  uint64_t value_ = 0;
  int peer_ = 0;
};

// The usual collective: each of `steps` writes, then reads; the next step is written
// before this one is waited for, so that ranks do not wait for each other in turns.
template <class Write, class Read>
void pipeline(Board& board, uint64_t steps, Write&& write, Read&& read) {
  write(uint64_t{0});
  for (uint64_t t = 0; t < steps; ++t) {
    if (t + 1 < steps) write(t + 1);
    read(t);
    board.finish(t);
  }
  board.end(steps);
}

} // namespace xpu_lite::ccl::shm
