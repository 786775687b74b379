#pragma once

// A mailbox alone, for its tests: the area in anonymous shared memory, which forked
// ranks inherit, and a group whose health is a few words next to it.

#include <signal.h>
#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <optional>

#include "backend/ccl/shm/mailbox.h"
#include "ccl_support.h"

namespace xpu_lite::ccl::testing {

using shm::Health;
using shm::Mailbox;

class MailboxGroup {
 public:
  static constexpr int kMost = 16;

  explicit MailboxGroup(int size) : size(size), bytes_(Mailbox::area_bytes(size) + 4096) {
    void* p = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw Error("mmap failed");
    shared = new (p) Shared;
  }
  ~MailboxGroup() { ::munmap(shared, bytes_); }
  MailboxGroup(const MailboxGroup&) = delete;

  struct Shared {
    std::atomic<int> broken{0}; // 1: being written, 2: written
    char reason[1024] = {};
    std::atomic<int> pid[kMost]{};
    std::atomic<int> left[kMost]{};
    std::atomic<int> arrived{0};
    std::atomic<int> drained{0};
  };
  void* area() { return reinterpret_cast<char*>(shared) + 4096; }

  const int size;
  Shared* shared;

 private:
  size_t bytes_;
};

// One rank of it. Made in the rank's own thread or process.
class MailboxRank final : public Health {
 public:
  MailboxRank(MailboxGroup& group, int rank, Mailbox::Reserve reserve = {})
      : group_(group), shared_(*group.shared), rank_(rank) {
    shared_.pid[rank] = ::getpid();
    mailbox.emplace(group.area(), rank, group.size, *this, std::move(reserve));
  }
  // Waits until every rank is here, so that nobody is taken for dead.
  void meet() {
    ++shared_.arrived;
    while (shared_.arrived.load() < group_.size) std::this_thread::sleep_for(milliseconds(1));
  }
  // ... and until all have come to their end.
  void part() {
    ++shared_.arrived;
    while (shared_.arrived.load() < 2 * group_.size && !broken())
      std::this_thread::sleep_for(milliseconds(1));
  }
  void leave() {
    mailbox.reset();
    shared_.left[rank_] = 1;
  }

  bool broken() const noexcept override { return shared_.broken.load() == 2; }
  std::string reason() const override { return shared_.reason; }
  void abort(const std::string& reason) noexcept override {
    int works = 0;
    if (!shared_.broken.compare_exchange_strong(works, 1)) return;
    std::strncpy(shared_.reason, reason.c_str(), sizeof shared_.reason - 1);
    shared_.broken = 2;
    mailbox->wake_all();
  }
  Peer look(int rank) noexcept override {
    if (shared_.left[rank]) return Peer::Left;
    return ::kill(shared_.pid[rank], 0) == 0 ? Peer::Alive : Peer::Dead;
  }
  std::string describe(int rank) const override {
    return message("rank ", rank, " (pid ", shared_.pid[rank].load(), ")");
  }
  const std::string& group() const override {
    static const std::string name = "process group 'test'";
    return name;
  }
  bool may_spin() const noexcept override { return group_.size <= 2; }

  std::unique_ptr<Request> send(const void* data, size_t bytes, int to, int64_t tag = 0,
                                Deadline deadline = after(seconds(60))) {
    return mailbox->send({Collective::Send, ++sends_, deadline}, {data, bytes}, to, tag);
  }
  std::unique_ptr<Request> recv(void* data, size_t bytes, int from, int64_t tag = 0,
                                Deadline deadline = after(seconds(60))) {
    return mailbox->recv({Collective::Recv, ++recvs_, deadline}, {data, bytes}, from, tag);
  }
  void wait(Request& request) {
    while (!request.test()) {
      mailbox->progress();
      if (request.test()) return;
      mailbox->await_progress(std::chrono::milliseconds(500));
    }
  }
  // Moves messages whose requests are gone, until all ranks came here.
  void drain() {
    ++shared_.drained;
    while (shared_.drained.load() < group_.size && !broken()) {
      mailbox->progress();
      mailbox->await_progress(std::chrono::milliseconds(1));
    }
  }
  // Its error's text; empty where it ends well.
  template <class Expected>
  std::string failure(Request& request) {
    try {
      wait(request);
    } catch (const Expected& error) {
      return error.what();
    }
    return "";
  }

  std::optional<Mailbox> mailbox;

 private:
  MailboxGroup& group_;
  MailboxGroup::Shared& shared_;
  const int rank_;
  uint64_t sends_ = 0, recvs_ = 0;
};

inline std::vector<unsigned char> pattern(size_t bytes, uint64_t seed) {
  std::vector<unsigned char> data(bytes);
  uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
  for (size_t i = 0; i < bytes; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    data[i] = static_cast<unsigned char>(state >> 56);
  }
  return data;
}

// fn(rank's mailbox, rank), for ranks as threads or processes.
inline std::vector<Outcome> run_mailbox(Ranks how, int n,
                                        const std::function<void(MailboxRank&, int)>& fn,
                                        milliseconds limit = seconds(120)) {
  MailboxGroup group(n);
  const auto body = [&](int rank) {
    MailboxRank me(group, rank);
    me.meet();
    fn(me, rank);
  };
  return how == Ranks::Threads ? run_threads(n, body, limit) : run_processes(n, body, limit);
}

inline void expect_mailbox(Ranks how, int n, const std::function<void(MailboxRank&, int)>& fn) {
  const auto outcomes = run_mailbox(how, n, [&](MailboxRank& me, int rank) {
    fn(me, rank);
    me.part();
  });
  for (int rank = 0; rank < n; ++rank)
    EXPECT_TRUE(outcomes[rank].ok) << "rank " << rank << ": " << outcomes[rank].text;
}

} // namespace xpu_lite::ccl::testing
