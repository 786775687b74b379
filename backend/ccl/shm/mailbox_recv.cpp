// The receiving half: takes messages out of the rings and matches them with receives,
// by source and tag, the receive that was posted first.

#include <algorithm>
#include <cstring>
#include <new>

#include "backend/ccl/kernels/reduce.h"
#include "backend/ccl/shm/mailbox_state.h"

namespace xpu_lite::ccl::shm {

namespace {

// Larger ones would push out of the cache what the caller works on.
constexpr size_t kPastTheCache = size_t{8} << 20;

void copy_out(std::byte* to, const std::byte* from, size_t bytes, bool past_the_cache) {
  if (past_the_cache) copy_streaming(to, from, bytes);
  else copy_cached(to, from, bytes);
}

} // namespace

OperationPtr Mailbox::State::recv(const Call& call, Slice data, int from, int64_t tag) {
  if (from >= size_)
    throw ValueError(message("recv: no rank ", from, " in a group of ", size_));
  auto op = std::make_shared<Operation>();
  op->call = call;
  op->call.kind = Collective::Recv;
  op->data = static_cast<std::byte*>(data.data);
  op->bytes = data.bytes;
  op->tag = tag;
  op->peer = from < 0 ? -1 : from;
  std::lock_guard lock(mutex_);
  check_working();
  if (claim_early(op)) {
    if (op->done.load(std::memory_order_relaxed)) return op;
    pull(op->source);
  } else {
    op->order = next_order_++;
    if (op->peer < 0) {
      any_source_.push_back(op);
      for (int i = 0; i < size_ && !op->done.load(std::memory_order_relaxed); ++i)
        pull((turn_ + i) % size_);
    } else {
      ins_[op->peer].posted.push_back(op);
      pull(op->peer);
    }
  }
  if (!op->done.load(std::memory_order_relaxed)) watch(*op);
  return op;
}

// Whether the message has the size that the receive expects; else breaks the group.
bool Mailbox::State::fits(const OperationPtr& op, int from, uint64_t bytes, uint64_t sequence) {
  if (bytes == op->bytes) return true;
  op->source = from;
  break_with<MismatchError>(
      op, message(health_->describe(rank_), " expects ", op->bytes, " bytes, and ",
                  health_->describe(from), " has sent ", bytes, " bytes with tag ", op->tag,
                  " (its send #", sequence, ")"));
  return false;
}

// The first receive that a message with this tag belongs to, out of its queue.
OperationPtr Mailbox::State::take_posted(Inbound& in, int64_t tag) {
  const auto has_tag = [tag](const OperationPtr& op) { return op->tag == tag; };
  const auto own = std::find_if(in.posted.begin(), in.posted.end(), has_tag);
  const auto any = std::find_if(any_source_.begin(), any_source_.end(), has_tag);
  const bool has_own = own != in.posted.end(), has_any = any != any_source_.end();
  if (!has_own && !has_any) return nullptr;
  OperationPtr op;
  if (has_own && (!has_any || (*own)->order < (*any)->order)) {
    op = *own;
    in.posted.erase(own);
  } else {
    op = *any;
    any_source_.erase(any);
  }
  return op;
}

// Gives a new receive the oldest message on the heap that belongs to it. That may be
// one which is still coming in: it goes on to the receive's own memory.
bool Mailbox::State::claim_early(const OperationPtr& op) {
  const auto has_tag = [&op](const EarlyPtr& early) { return early->tag == op->tag; };
  int from = -1;
  std::deque<EarlyPtr>::iterator found;
  for (int rank = 0; rank < size_; ++rank) {
    if (op->peer >= 0 && rank != op->peer) continue;
    auto& early = ins_[rank].early;
    const auto it = std::find_if(early.begin(), early.end(), has_tag);
    if (it == early.end() || (from >= 0 && (*found)->order < (*it)->order)) continue;
    from = rank;
    found = it;
  }
  if (from < 0) return false;
  Inbound& in = ins_[from];
  const EarlyPtr early = *found;
  in.early.erase(found);
  op->source = from;
  if (!fits(op, from, early->bytes, early->sequence)) {
    if (early->sender)
      fail(early->sender, std::make_exception_ptr(PeerError(health_->reason())));
    return true;
  }
  if (early->sender) {
    std::memcpy(op->data, early->sender->data, op->bytes);
    finish(early->sender);
    finish(op);
    return true;
  }
  if (early->moved) std::memcpy(op->data, early->data.get(), early->moved);
  if (early->moved == early->bytes) {
    finish(op);
  } else {
    in.early_target.reset();
    in.target = op;
  }
  return true;
}

// Reads the next header. False: the message stays where it is for now.
bool Mailbox::State::begin_message(int from, Inbound& in) {
  MessageHeader header;
  std::memcpy(&header, in.ring + (in.read & (ring_bytes_ - 1)), sizeof(header));
  OperationPtr op = take_posted(in, header.tag);
  if (op && !fits(op, from, header.bytes, header.sequence)) return false;
  // Nobody asks for it. It has to make room only for a message behind it that
  // somebody may be asking for.
  if (!op && !wanted(in)) return false;
  EarlyPtr early;
  if (!op) {
    early = std::make_shared<EarlyMessage>();
    early->tag = header.tag;
    early->bytes = header.bytes;
    early->sequence = header.sequence;
    early->order = next_order_++;
    early->data.reset(new (std::nothrow) std::byte[header.bytes]);
    if (!early->data) {
      health_->abort(message("no memory for a message of ", header.bytes, " bytes with tag ",
                             header.tag, " from ", health_->describe(from),
                             ", which no recv asks for yet"));
      return false;
    }
    in.early.push_back(early);
  } else {
    op->source = from;
  }
  in.header = header;
  in.moved = 0;
  in.active = true;
  in.target = std::move(op);
  in.early_target = std::move(early);
  in.read += sizeof(header);
  return true;
}

void Mailbox::State::take_data(Inbound& in, size_t bytes) {
  std::byte* to = in.target ? in.target->data : in.early_target ? in.early_target->data.get()
                                                                : nullptr;
  if (to) {
    const size_t place = in.read & (ring_bytes_ - 1);
    const size_t first = std::min(bytes, ring_bytes_ - place);
    const bool past = in.target && in.header.bytes >= kPastTheCache;
    copy_out(to + in.moved, in.ring + place, first, past);
    if (first < bytes) copy_out(to + in.moved + first, in.ring, bytes - first, past);
  }
  in.moved += bytes;
  in.read += bytes;
  if (in.target) in.target->moved = in.moved;
  if (in.early_target) in.early_target->moved = in.moved;
}

void Mailbox::State::pull(int from) {
  if (from == rank_) return;
  Inbound& in = ins_[from];
  size_t budget = kBudget;
  while (in.active || wanted(in)) {
    if (in.written_seen == in.read) {
      in.written_seen = in.channel->written.load(std::memory_order_acquire);
      if (in.written_seen == in.read) return;
    }
    if (budget == 0) {
      more_ = true;
      return;
    }
    if (!in.active && !begin_message(from, in)) return;
    const size_t bytes = std::min({static_cast<size_t>(in.written_seen - in.read),
                                   static_cast<size_t>(in.header.bytes - in.moved), piece_,
                                   budget});
    take_data(in, bytes);
    budget -= bytes;
    const bool whole = in.moved == in.header.bytes;
    if (whole) in.read = (in.read + kFrame - 1) / kFrame * kFrame;
    // Sequentially consistent, against the sender's flag and its last look.
    in.channel->read.store(in.read);
    ring(from);
    if (!whole) continue;
    in.active = false;
    if (in.target) finish(in.target);
    in.target.reset();
    in.early_target.reset();
  }
}

} // namespace xpu_lite::ccl::shm
