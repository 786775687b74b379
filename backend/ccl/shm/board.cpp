// Steps, slots and the errors of waiting for them; see Note [Board].

#include "backend/ccl/shm/board.h"

#include "backend/ccl/exchange.h"

namespace xpu_lite::ccl::shm {

Board::Board(Segment& segment, Members& members)
    : segment_(segment), members_(members), rank_(members.rank()), size_(members.size()),
      capacity_(segment.geometry().bulk_bytes), slots_(segment.geometry().slots),
      waiter_(members.may_spin()), seen_(size_, 0), pointers_(size_) {}

void Board::begin(const Call& call, const Description& mine, bool uniform) {
  mine_ = mine;
  mine_.kind = call.kind;
  mine_.sequence = static_cast<uint32_t>(call.sequence);
  mine_.checking = call.check_all;
  deadline_ = call.deadline;
  segment_.control(rank_).entered.store(call.sequence, std::memory_order_relaxed);
  if (members_.broken()) check(false);
  if (call.check_all) check_everybody(uniform);
}

std::byte* Board::write(uint64_t t, size_t bytes) {
  const uint64_t step = step_ + t;
  if (step >= slots_) {
    const uint64_t needed = step - slots_ + 1;
    for (int peer = 0; peer < size_; ++peer) {
      if (peer == rank_ || seen_[peer] >= needed) continue;
      Control& control = segment_.control(peer);
      await(control.done, control.sleepers, needed, peer);
      seen_[peer] = control.done.load(std::memory_order_acquire);
    }
  }
  Slot& slot = segment_.slot(rank_, step);
  if (bytes <= Slot::kTiny) {
    slot.place = Slot::Tiny;
    return slot.tiny;
  }
  if (bytes <= Slot::kSmall) {
    slot.place = Slot::Small;
    return slot.small;
  }
  slot.place = Slot::Bulk;
  return segment_.bulk(rank_, step);
}

void Board::post(uint64_t t) noexcept {
  Slot& slot = segment_.slot(rank_, step_ + t);
  slot.description = mine_;
  advance(slot.stamp, slot.sleepers, step_ + t + 1);
}

const std::byte* Board::read(int peer, uint64_t t, uint64_t described_bytes) {
  const uint64_t step = step_ + t;
  Slot& slot = segment_.slot(peer, step);
  await(slot.stamp, slot.sleepers, step + 1, peer);
  if (seen_[peer] < step_) seen_[peer] = step_; // it has ended its earlier calls
  compare(peer, slot, described_bytes);
  if (slot.place == Slot::Tiny) return slot.tiny;
  if (slot.place == Slot::Small) return slot.small;
  return segment_.bulk(peer, step);
}

void Board::finish(uint64_t t) noexcept {
  Control& control = segment_.control(rank_);
  advance(control.done, control.sleepers, step_ + t + 1);
}

std::byte* Board::scratch(size_t bytes) {
  if (scratch_.size() < bytes) scratch_.resize(bytes);
  return scratch_.data();
}

void Board::compare(int peer, const Slot& slot, uint64_t described_bytes) {
  const Description& theirs = slot.description;
  if (same_call(mine_, theirs)) {
    if (described_bytes == kAny || theirs.bytes == described_bytes) return;
    mismatch(message(members_.describe(peer), " has ", theirs.bytes, " bytes in ",
                     text_of(theirs), ", and rank ", label(rank_), " expects ", described_bytes,
                     " from it in ", text_of(mine_)));
  }
  if (mine_.kind == Collective::ReduceScatter && theirs.kind == mine_.kind &&
      theirs.detail != mine_.detail && theirs.bytes == mine_.bytes)
    mismatch(message(members_.describe(peer), " calls ", text_of(theirs), " and rank ",
                     label(rank_), " calls ", text_of(mine_), ", with other counts per rank"));
  mismatch(message(members_.describe(peer), " calls ", text_of(theirs), " and rank ",
                   label(rank_), " calls ", text_of(mine_)));
}

void Board::check_everybody(bool uniform) {
  write(0, 0);
  post(0);
  for (int peer = 0; peer < size_; ++peer)
    if (peer != rank_) read(peer, 0, uniform ? mine_.bytes : kAny);
  finish(0);
  end(1);
}

void Board::await(std::atomic<uint64_t>& word, std::atomic<uint32_t>& sleepers, uint64_t value,
                  int peer) {
  word_ = &word;
  value_ = value;
  peer_ = peer;
  waiter_.until(word, sleepers, value, deadline_, *this);
}

void Board::check(bool slept) {
  if (members_.broken()) members_.throw_reason(context());
  if (word_ == nullptr) return;
  // What a peer did before it went counts: its flag is looked at after its death.
  const auto arrived = [&] { return word_->load(std::memory_order_acquire) >= value_; };
  const Health::Peer state = slept ? members_.look(peer_)
                             : members_.has_left(peer_) ? Health::Peer::Left
                                                        : Health::Peer::Alive;
  if (state != Health::Peer::Alive && !arrived())
    fail(Failure::Peer, message(members_.describe(peer_),
                                state == Health::Peer::Left ? " has shut the group down"
                                                            : " is gone: its process has ended"));
  if (deadline_ != Deadline::max() && Clock::now() >= deadline_ && !arrived())
    fail(Failure::Timeout, message("timed out: ", late()));
}

std::string Board::late() const {
  std::vector<int> ranks;
  for (int peer = 0; peer < size_; ++peer)
    if (static_cast<uint32_t>(segment_.control(peer).entered.load()) < mine_.sequence)
      ranks.push_back(peer);
  if (ranks.empty())
    return message("all ranks have called it, but ", members_.describe(peer_), " does not go on");
  std::vector<int> labels;
  for (int rank : ranks) labels.push_back(label(rank));
  std::string text = message(ranks.size() == 1 ? "rank " : "ranks ", list_of(labels),
                             " did not arrive (");
  for (int rank : ranks) {
    const uint64_t last = segment_.control(rank).entered.load();
    text += message(rank == ranks.front() ? "" : "; ", members_.describe(rank), ": ");
    text += last == 0 ? "has called nothing" : message("its latest call is #", last);
  }
  return text + ")";
}

std::string Board::context() const {
  return message(text_of(mine_), " of ", members_.group(), " on rank ", label(rank_));
}

void Board::mismatch(const std::string& what) { fail(Failure::Mismatch, what); }

void Board::fail(Failure kind, const std::string& text) {
  members_.break_group(kind, message(text, " (found by rank ", label(rank_), " in ",
                                     text_of(mine_), ")"));
  // Another rank's reason may have come first; this call's own is as true.
  throw_failure(kind, message(context(), ": ", text));
}

} // namespace xpu_lite::ccl::shm
