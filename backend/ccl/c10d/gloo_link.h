#pragma once

// gloo as the transport needs it: blocking calls on plain memory that end when the
// deadline is over, when any rank gave up, or when gloo lost a connection; and one
// reason for the failure, the same on all ranks.

#include <mutex>

#include "backend/ccl/c10d/gloo_transport.h"

namespace xpu_lite::ccl {

class GlooLink {
 public:
  GlooLink(const Group& group, const MakeGloo& make);
  ~GlooLink();
  GlooLink(const GlooLink&) = delete;
  GlooLink& operator=(const GlooLink&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  // What messages call a rank, which may be one of a larger group.
  int label(int r) const { return labels_.empty() ? r : labels_[r]; }

  // Collectives. `at` describes the call, for errors.
  void all_gather(const std::string& at, Deadline deadline, const void* in, void* out,
                  size_t bytes_each);
  // Pieces lie one behind the other, by rank.
  void all_to_all(const std::string& at, Deadline deadline, const void* in,
                  const std::vector<int64_t>& in_bytes, void* out,
                  const std::vector<int64_t>& out_bytes);
  void broadcast(const std::string& at, Deadline deadline, void* data, size_t bytes, int root);

  // Messages. gloo cannot ask whether one is done, only wait; Work::abort() ends a wait.
  c10::intrusive_ptr<c10d::Work> send(const void* data, size_t bytes, int to, int tag);
  c10::intrusive_ptr<c10d::Work> recv(void* data, size_t bytes, int from, int tag);

  // Breaks the group on all ranks: closes the connections, finds out which ranks
  // came as far as `at`, throws the first reason that any rank gave.
  enum class Cause : char { Peer = 'p', Timeout = 't', Mismatch = 'm' };
  [[noreturn]] void fail(const std::string& at, Cause cause, const std::string& why);
  // The same with a reason that needs no such question.
  void give_up(Cause cause, const std::string& reason) noexcept;
  void check() const { if (!broken().empty()) raise(); }
  std::string broken() const;

 private:
  void await(const std::string& at, Deadline deadline,
             const std::function<c10::intrusive_ptr<c10d::Work>()>& start);
  void cut() noexcept;
  bool look() noexcept;
  void adopt(Cause cause, const std::string& reason) noexcept;
  std::string roll_call(const std::string& at);
  [[noreturn]] void raise() const;

  int rank_, size_;
  std::vector<int> labels_;
  std::shared_ptr<Store> store_;
  c10::intrusive_ptr<c10d::Backend> gloo_;
  std::mutex starting_; // gloo numbers its calls without a lock
  mutable std::mutex mutex_;
  Cause cause_ = Cause::Peer; // with reason_, under mutex_
  std::string reason_;
};

} // namespace xpu_lite::ccl
