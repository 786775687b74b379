#pragma once

// Point-to-point messages over TCP, between any two ranks of a group.
//
// Note [Messages]
// A connection carries one direction, and is made by its sender when it first has
// something to say: a group that sends nothing costs a listening socket. A small
// message goes at once, and waits in the receiver's memory where no receive wants it
// yet. Of a large one the envelope goes first; its data follows when the receiver
// has a place for it. So nothing that is not wanted stands in the way of what is.

#include <chrono>
#include <memory>
#include <string>

#include "backend/ccl/tcp/endpoint.h"
#include "backend/ccl/transport.h"

namespace xpu_lite::ccl::tcp {

class Mailbox {
 public:
  // All ranks of the group at once.
  explicit Mailbox(const Group& group);
  // Sends what is under way, for up to a second; drops the rest.
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // As Transport. Requests may outlive the mailbox: those under way end with an error.
  std::unique_ptr<Request> send(const Call& call, ConstSlice data, int to, int64_t tag);
  std::unique_ptr<Request> recv(const Call& call, Slice data, int from, int64_t tag);
  void progress();
  void await_progress(std::chrono::microseconds limit);
  void interrupt() noexcept;

  // From any thread. Ranks that are connected learn of it, the others do not.
  void abort(const std::string& reason) noexcept;
  std::string broken() const;
  std::string describe(int rank) const;

 private:
  class State;
  std::shared_ptr<State> state_; // shared with the requests
};

} // namespace xpu_lite::ccl::tcp
