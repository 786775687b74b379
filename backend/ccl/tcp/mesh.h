#pragma once

// A connection between every two ranks of a group, for collectives: what tells that
// all ranks have come to the same call, moves what is small or uneven, and notices
// at once when a rank is gone.
//
// Each pair has two sockets. Data carries the calls, in order. Alarm carries nothing
// until a rank breaks the group or leaves it: so that a rank that waits for anything
// else can wait for the end of every peer too.

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backend/ccl/tcp/endpoint.h"
#include "backend/ccl/transport.h"

namespace xpu_lite::ccl::tcp {

// One call as a rank describes it to the others. All fields but `note` and `bytes`
// must be the same on all ranks.
struct Description {
  uint64_t sequence = 0;
  uint8_t kind = 0;
  uint8_t type = 0;
  uint8_t reduction = 0;
  uint8_t step = 0; // of the call, where it makes several exchanges
  int32_t root = -1;
  uint64_t count = 0; // elements or bytes that the ranks must agree on
  double factor = 1.0;
  uint64_t note = 0; // what a rank wants the others to know
};
std::string to_text(const Description& description);

class Mesh {
 public:
  // All ranks of the group at once.
  explicit Mesh(const Group& group);
  // Says goodbye: a rank that still waits for this one learns that it has left.
  ~Mesh();

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }

  // Sends sends[r] to every rank r and receives recvs[r] from it, with the
  // description in front, which is compared. Returns every rank's note.
  // 1 step; this rank moves its own bytes only, each once. Every rank waits for
  // every other: the name of who did not come is known to all.
  std::vector<uint64_t> exchange(const Call& call, const Description& mine,
                                 const ConstSlice* sends, const Slice* recvs);

  // Waits until `fd` is readable; throws as exchange() does when a rank breaks the
  // group or is gone, or at the deadline.
  void wait_for(const Call& call, int fd);

  // From any thread. Tells every rank why, and ends every wait.
  void abort(const std::string& reason) noexcept;
  // Looks at the alarms, too.
  std::string broken() const;
  // Throws what broke the group, if anything did.
  void check() const;
  // "rank 2 (pid 4711 on node7)"
  std::string describe(int rank) const { return endpoint_->describe(rank); }
  // The interface that leads to the others; empty if there are none.
  std::string interface() const;
  Endpoint& endpoint() noexcept { return *endpoint_; }

 private:
  enum class Cause : char { Error = 'E', Timeout = 'T', Mismatch = 'M', Goodbye = 'G' };
  struct Broken {
    Cause cause;
    std::string reason;
  };
  struct Traffic; // one exchange with one peer

  std::string label_list(const std::vector<int>& ranks) const;
  [[noreturn]] void fail(Cause cause, const std::string& reason);
  [[noreturn]] static void raise(const Broken& broken);
  void break_group(Cause cause, const std::string& reason) noexcept;
  // Reads the alarm of a peer; true if it has said something or is gone.
  void look(int peer) const;
  [[noreturn]] void lost(int peer);
  int poll_limit(Deadline deadline) const;

  int rank_, size_;
  std::vector<int> labels_;
  std::string name_;
  std::unique_ptr<Endpoint> endpoint_;
  std::vector<Fd> data_;
  Description current_; // the call under way
  mutable std::mutex mutex_; // of what follows
  std::vector<Fd> alarm_;
  mutable std::vector<std::string> heard_; // the beginning of what a peer has said
  mutable std::vector<std::atomic<char>> gone_; // 0: there; 'G': has left; 'D': is dead
  mutable std::optional<Broken> broken_;
  mutable Signal broke_;
};

} // namespace xpu_lite::ccl::tcp
