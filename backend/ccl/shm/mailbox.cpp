// The mailbox apart from moving bytes: requests, progress, waiting, and failures.

#include "backend/ccl/shm/mailbox.h"

#include <unistd.h>

#include <algorithm>

#include "backend/ccl/shm/mailbox_state.h"

namespace xpu_lite::ccl::shm {

namespace {

constexpr std::chrono::milliseconds kLookEvery{100}; // at deadlines and peers

template <class Queue>
bool erase_from(Queue& queue, const OperationPtr& op) {
  const auto it = std::find(queue.begin(), queue.end(), op);
  if (it == queue.end()) return false;
  queue.erase(it);
  return true;
}

} // namespace

Mailbox::State::State(std::byte* area, int rank, int size, Health& health, Reserve reserve)
    : area_(area), rank_(rank), size_(size), layout_{size}, ring_bytes_(layout_.ring_bytes()),
      piece_(std::min<size_t>(65536, ring_bytes_ / 4)), health_(&health),
      reserve_(std::move(reserve)), process_(::getpid()), outs_(size), ins_(size) {
  for (int peer = 0; peer < size; ++peer) {
    if (peer == rank) continue;
    outs_[peer].channel = &layout_.channel(area, rank, peer);
    outs_[peer].ring = area + layout_.ring_offset(peer, rank);
    ins_[peer].channel = &layout_.channel(area, peer, rank);
    ins_[peer].ring = area + layout_.ring_offset(rank, peer);
  }
}

void Mailbox::State::check_working() const {
  if (closed_) throw PeerError("the group has been shut down");
  if (health_->broken()) throw PeerError(message(health_->group(), ": ", health_->reason()));
}

void Mailbox::State::watch(Operation& op) {
  op.start = Clock::now();
  next_look_ = std::min({next_look_, op.call.deadline, op.start + kLookEvery});
}

void Mailbox::State::finish(const OperationPtr& op) {
  op->done.store(true, std::memory_order_release);
}

void Mailbox::State::fail(const OperationPtr& op, std::exception_ptr error) {
  remove(op);
  op->error = std::move(error);
  finish(op);
}

template <class E>
void Mailbox::State::break_with(const OperationPtr& op, const std::string& what) {
  const std::string text = text_of(*op);
  health_->abort(message(what, " (found by ", health_->describe(rank_), " in ", text, ")"));
  fail(op, std::make_exception_ptr(E(message(context(text), ": ", what))));
}
template void Mailbox::State::break_with<MismatchError>(const OperationPtr&, const std::string&);

void Mailbox::State::fail_all(const std::string& reason) {
  for (const OperationPtr& op : pending())
    fail(op, std::make_exception_ptr(PeerError(message(context(text_of(*op)), ": ", reason))));
}

// Takes it out of whatever it waits in.
void Mailbox::State::remove(const OperationPtr& op) {
  erase_from(any_source_, op);
  if (op->peer >= 0) erase_from(ins_[op->peer].posted, op);
  if (op->is_send()) {
    erase_from(outs_[op->peer].queue, op);
    std::erase_if(ins_[rank_].early, [&op](const EarlyPtr& m) { return m->sender == op; });
  }
  for (Inbound& in : ins_)
    if (in.target == op) in.target.reset();
}

std::vector<OperationPtr> Mailbox::State::pending() const {
  std::vector<OperationPtr> all(any_source_.begin(), any_source_.end());
  for (int rank = 0; rank < size_; ++rank) {
    const Inbound& in = ins_[rank];
    all.insert(all.end(), in.posted.begin(), in.posted.end());
    all.insert(all.end(), outs_[rank].queue.begin(), outs_[rank].queue.end());
    if (in.target) all.push_back(in.target);
    for (const EarlyPtr& early : in.early)
      if (early->sender) all.push_back(early->sender);
  }
  return all;
}

bool Mailbox::State::withdraw(const OperationPtr& op) {
  std::lock_guard lock(mutex_);
  if (op->done.load() || op->is_send()) return false;
  return erase_from(any_source_, op) || (op->peer >= 0 && erase_from(ins_[op->peer].posted, op));
}

void Mailbox::State::abandon(const OperationPtr& op) {
  std::lock_guard lock(mutex_);
  if (op->done.load()) return;
  if (!op->is_send()) return remove(op);
  // The caller's memory may be gone before all is sent.
  op->kept.assign(op->data, op->data + op->bytes);
  op->data = op->kept.data();
  op->orphan = true;
}

std::string Mailbox::State::text_of(const Operation& op) const {
  const int peer = op.source >= 0 ? op.source : op.peer;
  return message(name_of(op.call.kind), " #", op.call.sequence, " (", op.bytes, " bytes, tag ",
                 op.tag, op.is_send() ? ", to " : ", from ",
                 peer < 0 ? std::string("any rank") : health_->describe(peer), ")");
}

std::string Mailbox::State::context(const std::string& text) const {
  return message(text, " of ", health_->group(), " on ", health_->describe(rank_));
}

std::string Mailbox::State::lateness(const Operation& op, Clock::time_point now) const {
  const double seconds = std::chrono::duration<double>(now - op.start).count();
  const std::string text =
      message("timed out after ", static_cast<int64_t>(seconds * 1000), " ms: ");
  const int peer = op.source >= 0 ? op.source : op.peer;
  const std::string who = peer < 0 ? std::string("no rank") : health_->describe(peer);
  if (op.moved > 0)
    return message(text, op.moved, " of ", op.bytes, " bytes have moved, and ", who,
                   op.is_send() ? " takes no more" : " sends no more");
  if (op.is_send()) return message(text, who, " has not received it");
  std::string others;
  for (int rank = 0; rank < size_; ++rank)
    if (op.peer < 0 || rank == op.peer)
      for (const EarlyPtr& early : ins_[rank].early)
        if (others.size() < 200) others += message(others.empty() ? "" : ", ", early->tag);
  if (!others.empty()) others = message(" (messages with other tags are here: ", others, ")");
  return message(text, who, peer < 0 ? " has sent it" : " has not sent it", others);
}

std::string Mailbox::State::why_hopeless(const Operation& op,
                                         const std::vector<Health::Peer>& peers) const {
  const auto gone = [&](int rank) {
    return message(health_->describe(rank), peers[rank] == Health::Peer::Left
                       ? " has shut the group down" : " is gone: its process has ended");
  };
  const int peer = op.source >= 0 ? op.source : op.peer;
  if (peer >= 0) return peers[peer] == Health::Peer::Alive ? "" : gone(peer);
  // From any rank: a rank that died might have been the one.
  int left = 0;
  std::string last;
  for (int rank = 0; rank < size_; ++rank) {
    if (peers[rank] == Health::Peer::Dead) return gone(rank);
    if (peers[rank] == Health::Peer::Alive) continue;
    ++left;
    last += message(last.empty() ? "" : ", ", gone(rank));
  }
  return size_ > 1 && left == size_ - 1 ? last : "";
}

// Deadlines, and now and then whether the peers that are waited for still live.
void Mailbox::State::look_after(Clock::time_point now) {
  next_look_ = Clock::time_point::max();
  const bool look = now >= next_peers_;
  std::vector<Health::Peer> peers(size_, Health::Peer::Alive);
  if (look) {
    next_peers_ = now + kLookEvery;
    for (int rank = 0; rank < size_; ++rank) {
      if (rank == rank_) continue;
      const Inbound& in = ins_[rank];
      const bool awaited = in.active || wanted(in) || !outs_[rank].queue.empty();
      if (!awaited) continue;
      peers[rank] = health_->look(rank);
      // What it did before it went counts.
      if (peers[rank] == Health::Peer::Alive) continue;
      for (uint64_t before = ~in.read; before != in.read;) {
        before = in.read;
        pull(rank);
      }
      push(rank);
    }
  }
  for (const OperationPtr& op : pending()) {
    if (op->done.load(std::memory_order_relaxed)) continue;
    const std::string gone = look ? why_hopeless(*op, peers) : std::string();
    if (!gone.empty() && op->orphan) {
      remove(op);
    } else if (!gone.empty()) {
      break_with<PeerError>(op, gone);
    } else if (now >= op->call.deadline) {
      break_with<TimeoutError>(op, lateness(*op, now));
    } else {
      next_look_ = std::min({next_look_, op->call.deadline, now + kLookEvery});
    }
  }
}

void Mailbox::State::progress() {
  std::lock_guard lock(mutex_);
  if (closed_) return;
  more_ = false;
  for (int i = 0; i < size_ && !health_->broken(); ++i) {
    const int rank = (turn_ + i) % size_;
    if (!outs_[rank].queue.empty()) push(rank);
    pull(rank);
  }
  turn_ = (turn_ + 1) % size_;
  if (!health_->broken() && next_look_ != Clock::time_point::max()) {
    const auto now = Clock::now();
    if (now >= next_look_) look_after(now);
  }
  if (health_->broken()) fail_all(health_->reason());
}

void Mailbox::State::close() {
  // In a child of fork() the lock may be held for ever.
  if (::getpid() != process_) return;
  interrupt();
  std::lock_guard lock(mutex_);
  fail_all("the group has been shut down");
  closed_ = true;
}

Mailbox::Mailbox(void* area, int rank, int size, Health& health, Reserve reserve)
    : state_(std::make_shared<State>(static_cast<std::byte*>(area), rank, size, health,
                                     std::move(reserve))) {}

Mailbox::~Mailbox() { state_->close(); }

size_t Mailbox::control_bytes(int size) { return MailboxLayout{size}.control_bytes(); }
size_t Mailbox::area_bytes(int size) { return MailboxLayout{size}.area_bytes(); }

// Template, because State is private to Mailbox.
template <class State>
class MailboxRequest final : public Request {
 public:
  MailboxRequest(std::shared_ptr<State> state, OperationPtr op)
      : state_(std::move(state)), op_(std::move(op)) {}
  ~MailboxRequest() override {
    if (!op_->done.load(std::memory_order_acquire)) state_->abandon(op_);
  }
  bool test() override {
    if (!op_->done.load(std::memory_order_acquire)) return false;
    if (op_->error) std::rethrow_exception(op_->error);
    return true;
  }
  int source() const noexcept override {
    return op_->done.load(std::memory_order_acquire) && !op_->is_send() ? op_->source : -1;
  }
  bool cancel() noexcept override { return state_->withdraw(op_); }

 private:
  std::shared_ptr<State> state_;
  OperationPtr op_;
};

std::unique_ptr<Request> Mailbox::send(const Call& call, ConstSlice data, int to, int64_t tag) {
  return std::make_unique<MailboxRequest<State>>(state_, state_->send(call, data, to, tag));
}
std::unique_ptr<Request> Mailbox::recv(const Call& call, Slice data, int from, int64_t tag) {
  return std::make_unique<MailboxRequest<State>>(state_, state_->recv(call, data, from, tag));
}
void Mailbox::progress() { state_->progress(); }
void Mailbox::await_progress(std::chrono::microseconds limit) { state_->await_progress(limit); }
void Mailbox::interrupt() noexcept { state_->interrupt(); }
void Mailbox::wake_all() noexcept { state_->wake_all(); }

} // namespace xpu_lite::ccl::shm
