// The sending half: messages of one channel go into its ring in the order sent.

#include <algorithm>
#include <cstring>

#include "backend/ccl/shm/mailbox_state.h"

namespace xpu_lite::ccl::shm {

namespace {

constexpr size_t kEagerToSelf = 65536; // copied, so that the send is done at once
constexpr size_t kSmallestPiece = 16384; // telling the receiver costs 0.2 us

void copy_into_ring(SlotWriter& writer, std::byte* ring, size_t ring_bytes, uint64_t at,
                    const std::byte* from, size_t bytes) {
  const size_t place = at & (ring_bytes - 1);
  const size_t first = std::min(bytes, ring_bytes - place);
  writer.copy(ring + place, from, first);
  if (first < bytes) writer.copy(ring, from + first, bytes - first);
}

} // namespace

OperationPtr Mailbox::State::send(const Call& call, ConstSlice data, int to, int64_t tag) {
  if (to < 0 || to >= size_)
    throw ValueError(message("send: no rank ", to, " in a group of ", size_));
  auto op = std::make_shared<Operation>();
  op->call = call;
  op->call.kind = Collective::Send;
  op->data = static_cast<std::byte*>(const_cast<void*>(data.data));
  op->bytes = data.bytes;
  op->tag = tag;
  op->peer = to;
  std::lock_guard lock(mutex_);
  check_working();
  if (to == rank_) {
    send_to_self(op);
  } else {
    Outbound& out = outs_[to];
    if (!out.reserved) reserve_ring(*op);
    out.queue.push_back(op);
    if (out.queue.size() == 1) push(to);
  }
  if (!op->done.load(std::memory_order_relaxed)) watch(*op);
  return op;
}

// Without memory for it the receiver would wait in vain: the group is broken.
void Mailbox::State::reserve_ring(const Operation& op) {
  try {
    if (reserve_) reserve_(layout_.ring_offset(op.peer, rank_), ring_bytes_);
  } catch (const std::exception& error) {
    health_->abort(message(error.what(), " (found by ", health_->describe(rank_), " in ",
                           text_of(op), ")"));
    throw;
  }
  outs_[op.peer].reserved = true;
}

void Mailbox::State::push(int to) {
  Outbound& out = outs_[to];
  // A frame's end may overshoot a full ring by less than a frame.
  const size_t capacity = ring_bytes_ - kFrame;
  size_t budget = kBudget;
  while (!out.queue.empty()) {
    Operation& op = *out.queue.front();
    const size_t needed = op.begun ? 1 : kFrame;
    size_t used = out.written - out.read_seen;
    // Looks again when the ring seems full, or too full for the next piece.
    if (used + std::min(op.bytes - op.moved + needed, piece_) > capacity) {
      out.read_seen = out.channel->read.load(std::memory_order_acquire);
      used = out.written - out.read_seen;
    }
    if (used + needed > capacity) return;
    if (budget == 0) {
      more_ = true;
      return;
    }
    size_t room = capacity - used;
    if (!op.begun) {
      const MessageHeader header{op.tag, op.bytes, op.call.sequence};
      std::memcpy(out.ring + (out.written & (ring_bytes_ - 1)), &header, sizeof(header));
      out.written += sizeof(header);
      room -= sizeof(header);
      op.begun = true;
    }
    // Several pieces, so that the receiver begins while the sender copies.
    const size_t piece = std::min(piece_, std::max(op.bytes / 8, kSmallestPiece));
    const size_t bytes = std::min({op.bytes - op.moved, room, piece, budget});
    copy_into_ring(out.writer, out.ring, ring_bytes_, out.written, op.data + op.moved, bytes);
    op.moved += bytes;
    out.written += bytes;
    budget -= bytes;
    const bool whole = op.moved == op.bytes;
    if (whole) out.written = (out.written + kFrame - 1) / kFrame * kFrame;
    // Sequentially consistent, against the receiver's flag and its last look.
    out.channel->written.store(out.written);
    ring(to);
    if (whole) {
      finish(out.queue.front());
      out.queue.pop_front();
    }
  }
}

void Mailbox::State::send_to_self(const OperationPtr& op) {
  Inbound& in = ins_[rank_];
  if (const OperationPtr target = take_posted(in, op->tag)) {
    if (!fits(target, rank_, op->bytes, op->call.sequence))
      return fail(op, std::make_exception_ptr(PeerError(health_->reason())));
    if (op->bytes) std::memcpy(target->data, op->data, op->bytes);
    target->source = rank_;
    finish(target);
    return finish(op);
  }
  auto early = std::make_shared<EarlyMessage>();
  early->tag = op->tag;
  early->bytes = op->bytes;
  early->sequence = op->call.sequence;
  early->order = next_order_++;
  if (op->bytes <= kEagerToSelf) {
    early->data.reset(new std::byte[op->bytes]);
    if (op->bytes) std::memcpy(early->data.get(), op->data, op->bytes);
    early->moved = op->bytes;
    finish(op);
  } else {
    early->sender = op;
  }
  in.early.push_back(std::move(early));
}

} // namespace xpu_lite::ccl::shm
