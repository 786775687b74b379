#pragma once

// Point to point over gloo, which can only wait for a message and breaks down when
// its size is not the expected one. So there are two threads for each peer that is
// talked to, one that reads and one that writes, and every message begins with a
// frame of fixed size that says what it is:
//
//   small:  Eager with the data inside.
//   large:  Offer ->, <- Accept once a receive matches, Data -> and the data itself.

#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "backend/ccl/c10d/gloo_link.h"

namespace xpu_lite::ccl {

class GlooMessages : public std::enable_shared_from_this<GlooMessages> {
 public:
  explicit GlooMessages(std::shared_ptr<GlooLink> link);
  ~GlooMessages(); // stop() was called
  std::unique_ptr<Request> send(const Call& call, ConstSlice data, int to, int64_t tag);
  std::unique_ptr<Request> recv(const Call& call, Slice data, int from, int64_t tag);
  void await(std::chrono::microseconds limit);
  void interrupt() noexcept;
  void stop() noexcept;

 private:
  enum class Kind : uint32_t { Eager, Offer, Accept, Data };
  static constexpr size_t kEager = 992;
  struct Frame {
    Kind kind = Kind::Eager;
    uint32_t number = 0; // of the offer, counted by its sender for each receiver
    int64_t tag = 0;
    uint64_t bytes = 0;
    char data[kEager];
  };
  enum class State { Waiting, Moving, Done, Failed };
  // One request. `at` and `why` go into errors.
  struct Message {
    std::string at, why;
    Deadline deadline;
    char* data = nullptr;
    size_t bytes = 0;
    int peer = -1; // of a receive from anybody: the sender once known
    int64_t tag = 0;
    State state = State::Waiting;
    bool busy = false;       // gloo uses `data` now
    bool mismatch = false;
    std::vector<char> owned; // what `data` points to once the request is gone
  };
  using Shared = std::shared_ptr<Message>;
  struct Outgoing {
    Frame frame;
    Shared message; // ends with this frame, unless it is an offer
  };
  struct Unexpected {
    int from;
    Frame frame;
    std::vector<char> data; // of a rank to itself
  };
  struct Peer {
    std::thread reader, writer;
    c10::intrusive_ptr<c10d::Work> reading, writing;
    std::deque<Outgoing> queue;
    std::map<uint32_t, Shared> offered; // by number, sends that are not accepted yet
    std::map<uint32_t, Shared> accepted; // receives whose data is to come
    uint32_t next = 0;
    std::string lost;
  };
  class Handle;

  void read(int from);
  void write(int to);
  bool step(int from, Frame& frame);
  void handle(int from, Frame& frame, std::unique_lock<std::mutex>& lock);
  Shared take_expected(int from, int64_t tag);
  void deliver(const Shared& message, int from, Frame& frame, const char* data);
  void start_reader(int peer);
  void enqueue(int to, Outgoing item);
  void lose(int peer, const std::string& why);
  void end(const Shared& message, State state);
  bool wait(int peer, c10::intrusive_ptr<c10d::Work> Peer::*slot,
            const std::function<c10::intrusive_ptr<c10d::Work>()>& start);
  bool cancel(const Shared& message) noexcept;
  void abandon(const Shared& message, bool sending) noexcept;

  std::shared_ptr<GlooLink> link_;
  std::mutex mutex_;
  std::condition_variable changed_; // a request ended, a queue grew, interrupt(), stop()
  uint64_t events_ = 0, seen_ = 0;
  bool stopped_ = false;
  std::vector<Peer> peers_;
  std::list<Shared> expected_;
  std::list<Unexpected> unexpected_;
};

} // namespace xpu_lite::ccl
