#pragma once

// The state that all ranks of a group share: who they are, whether they live, and
// whether the group still works.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/ccl/shm/mailbox.h"
#include "backend/ccl/shm/process.h"
#include "backend/ccl/shm/segment.h"

namespace xpu_lite::ccl::shm {

// What broke the group, so that every rank throws the same type.
enum class Failure : uint32_t { Peer, Timeout, Mismatch };
[[noreturn]] void throw_failure(Failure kind, const std::string& text);

class Members : public Health {
 public:
  Members(Segment& segment, const Group& group);

  int rank() const { return rank_; }
  int size() const { return size_; }
  // What messages call a rank.
  int label(int rank) const { return labels_.empty() ? rank : labels_[rank]; }
  // "process group 'x'"
  const std::string& group() const override { return group_; }

  bool broken() const noexcept override {
    return header_.broken.load(std::memory_order_acquire) != 0;
  }
  std::string reason() const override;
  // Throws what broke the group, after what the caller was about.
  [[noreturn]] void throw_reason(const std::string& context) const;
  // The first reason stays. Wakes whoever waits on a word of the segment, and on_break.
  void abort(const std::string& reason) noexcept override { break_group(Failure::Peer, reason); }
  void break_group(Failure kind, const std::string& reason) noexcept;
  std::function<void()> on_break;

  Peer look(int rank) noexcept override;
  bool has_left(int rank) noexcept { return segment_.control(rank).left.load() != 0; }
  void leave() noexcept;
  std::string describe(int rank) const override;
  bool may_spin() const noexcept override { return may_spin_; }

 private:
  void wake_all() noexcept;

  Segment& segment_;
  Header& header_;
  const int rank_;
  const int size_;
  const std::string group_;
  const std::vector<int> labels_;
  bool may_spin_ = false;
  std::vector<std::shared_ptr<Process>> processes_;
};

} // namespace xpu_lite::ccl::shm
