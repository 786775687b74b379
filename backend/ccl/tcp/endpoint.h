#pragma once

// Where a rank can be reached, and how to be connected with it. Ranks publish their
// addresses and a secret through the store; a connection counts only after the
// secret has come over it, so that an address that leads elsewhere (the same private
// address on both hosts), or a stranger at the port, is no peer.
//
// A thread answers the door, so that a peer can connect while this rank computes.

#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "backend/ccl/store.h"
#include "backend/ccl/tcp/socket.h"

namespace xpu_lite::ccl::tcp {

enum class Channel : int32_t { Data, Alarm, Messages };

class Endpoint {
 public:
  struct Visitor {
    int from;
    Channel channel;
    Fd fd;
  };
  // All ranks of the group at once; `topic` names the exchange in the store.
  Endpoint(const Group& group, const std::string& topic);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // Connects to a rank, by whichever of its addresses answers first. Throws
  // PeerError when none does, TimeoutError at the deadline.
  Fd connect(int rank, Channel channel, Deadline deadline);
  // Those who connected since the last call. arrived() becomes readable before.
  std::vector<Visitor> visitors();
  int arrived() const noexcept { return arrived_.fd(); }
  void wake() noexcept { arrived_.set(); }
  void clear() noexcept { arrived_.clear(); }
  // "rank 2 (pid 4711 on node7)"
  std::string describe(int rank) const;
  // Ends the thread: nobody is let in from here on.
  void close() noexcept;

 private:
  struct Peer {
    std::string secret, host, machine;
    uint16_t port = 0;
    int pid = 0;
    std::vector<std::string> addresses;
  };
  void answer();

  int rank_;
  std::vector<int> labels_;
  std::vector<Peer> peers_;
  Fd listener_;
  Signal stop_, arrived_;
  std::mutex mutex_;
  std::vector<Visitor> visitors_;
  std::thread thread_;
};

} // namespace xpu_lite::ccl::tcp
