#pragma once

// Point-to-point messages between the ranks of one segment.
//
// Note [Mailbox layout]
// An ordered pair of ranks has a channel: a ring of bytes with one writer and one
// reader. A message is a header and its data, streamed through the ring: a small
// one is sent as soon as it fits, a large one flows in pieces while the receiver
// takes them out. Messages of a channel arrive in the order sent; where the tag of
// the next one is not wanted and another one is, the receiver moves it to the heap.
// A byte is copied twice, by both sides at the same time; between cores that share a
// cache, memory sees one read and one write of it, as for a copy from rank to rank.
//
// The area in shared memory begins with the control lines of all ranks, which must
// be reserved by whoever makes the segment; the rings follow. A ring is reserved by
// its writer before its first message: a group that sends nothing costs nothing.

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "backend/ccl/transport.h"

namespace xpu_lite::ccl::shm {

// What the mailbox asks of the group that it lives in. Called from the threads that
// use the mailbox, with no lock of the group's own held.
class Health {
 public:
  virtual ~Health() = default;
  virtual bool broken() const noexcept = 0;    // one load: asked often
  virtual std::string reason() const = 0;      // why, once it is broken
  virtual void abort(const std::string& reason) noexcept = 0; // the first reason stays
  enum class Peer { Alive, Left, Dead };       // Left: it has shut the group down
  virtual Peer look(int rank) noexcept = 0;    // costs a system call
  virtual std::string describe(int rank) const = 0; // "rank 2 (pid 4711)"
  virtual const std::string& group() const = 0;     // "process group 'x'"
  // Whether every rank has a core, so that waiting may spin for a moment.
  virtual bool may_spin() const noexcept = 0;
};

class Mailbox {
 public:
  // Bytes of the area, which must be zero and aligned to a page: the control part at
  // its beginning, and all of it (at most 16 MiB up to 64 ranks).
  static size_t control_bytes(int size);
  static size_t area_bytes(int size);

  // reserve(offset, bytes): makes that part of the area safe to write, or throws.
  // Empty where the whole area is already reserved.
  using Reserve = std::function<void(size_t offset, size_t bytes)>;
  // `area` stays mapped and `health` alive until the mailbox is destroyed.
  Mailbox(void* area, int rank, int size, Health& health, Reserve reserve = {});
  // Drops the messages not yet sent. Requests may outlive the mailbox: those under
  // way end with a PeerError.
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // As Transport. Every function may be called from any thread. An unfinished send
  // whose request is destroyed goes on from a copy of its data.
  std::unique_ptr<Request> send(const Call& call, ConstSlice data, int to, int64_t tag);
  std::unique_ptr<Request> recv(const Call& call, Slice data, int from, int64_t tag);
  // Failures (a broken group, the deadline, a dead peer) end the requests that they
  // concern, and are thrown by Request::test().
  void progress();
  void await_progress(std::chrono::microseconds limit);
  void interrupt() noexcept;
  // Wakes every rank that sleeps in await_progress(): for who breaks the group.
  void wake_all() noexcept;

 private:
  class State;
  std::shared_ptr<State> state_; // shared with the requests
};

} // namespace xpu_lite::ccl::shm
