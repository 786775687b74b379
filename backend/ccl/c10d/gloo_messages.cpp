#include "backend/ccl/c10d/gloo_messages.h"

#include <algorithm>
#include <cstring>

namespace xpu_lite::ccl {
namespace {

constexpr int kFrameTag = 0, kDataTag = 1; // of gloo; ours travel in the frames
constexpr std::chrono::hours kForever(24 * 365);

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

} // namespace

// What the caller holds. The message outlives it where others still need it.
class GlooMessages::Handle final : public Request {
 public:
  Handle(std::shared_ptr<GlooMessages> owner, Shared message, bool sending)
      : owner_(std::move(owner)), message_(std::move(message)), sending_(sending) {}
  ~Handle() override { owner_->abandon(message_, sending_); }

  bool test() override {
    std::unique_lock lock(owner_->mutex_);
    const Message& m = *message_;
    if (m.state == State::Done) return true;
    const bool late = Clock::now() >= m.deadline;
    if (m.state == State::Failed || late) {
      const auto cause = m.mismatch                ? GlooLink::Cause::Mismatch
          : m.state == State::Failed ? GlooLink::Cause::Peer
                                     : GlooLink::Cause::Timeout;
      const std::string at = m.at, why = m.state == State::Failed ? m.why : "timed out";
      lock.unlock();
      owner_->link_->fail(at, cause, why);
    }
    lock.unlock();
    owner_->link_->check();
    return false;
  }
  bool cancel() noexcept override { return !sending_ && owner_->cancel(message_); }
  int source() const noexcept override {
    std::lock_guard lock(owner_->mutex_);
    return !sending_ && message_->state == State::Done ? message_->peer : -1;
  }

 private:
  std::shared_ptr<GlooMessages> owner_;
  Shared message_;
  bool sending_;
};

GlooMessages::GlooMessages(std::shared_ptr<GlooLink> link)
    : link_(std::move(link)), peers_(link_->size()) {
  static_assert(sizeof(Frame) == 24 + kEager);
}

GlooMessages::~GlooMessages() = default;

void GlooMessages::stop() noexcept {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
    for (Peer& peer : peers_)
      for (const auto& work : {peer.reading, peer.writing})
        if (work) work->abort();
  }
  for (Peer& peer : peers_)
    for (std::thread* thread : {&peer.reader, &peer.writer})
      if (thread->joinable()) thread->join();
}

std::unique_ptr<Request> GlooMessages::send(const Call& call, ConstSlice data, int to,
                                            int64_t tag) {
  auto m = std::make_shared<Message>();
  m->at = message("send (to rank ", link_->label(to), ", tag ", tag, ", ", data.bytes,
                  " bytes)");
  m->deadline = call.deadline;
  m->data = static_cast<char*>(const_cast<void*>(data.data));
  m->bytes = data.bytes;
  m->peer = to;
  m->tag = tag;
  std::unique_lock lock(mutex_);
  Outgoing item{{Kind::Eager, 0, tag, data.bytes, {}}, m};
  if (to == link_->rank()) {
    Unexpected own{to, item.frame, {m->data, m->data + m->bytes}};
    end(m, State::Done);
    if (const Shared e = take_expected(to, tag)) deliver(e, to, own.frame, own.data.data());
    else unexpected_.push_back(std::move(own));
  } else if (!peers_[to].lost.empty()) {
    m->why = peers_[to].lost;
    end(m, State::Failed);
  } else if (data.bytes <= kEager) {
    if (data.bytes) std::memcpy(item.frame.data, data.data, data.bytes);
    enqueue(to, std::move(item));
  } else {
    item.frame.kind = Kind::Offer;
    item.frame.number = peers_[to].next++;
    peers_[to].offered[item.frame.number] = m;
    start_reader(to);
    enqueue(to, std::move(item));
  }
  lock.unlock();
  return std::make_unique<Handle>(shared_from_this(), std::move(m), true);
}

std::unique_ptr<Request> GlooMessages::recv(const Call& call, Slice data, int from,
                                            int64_t tag) {
  auto m = std::make_shared<Message>();
  const std::string whom = from < 0 ? "any rank" : message("rank ", link_->label(from));
  m->at = message("recv (from ", whom, ", tag ", tag, ", ", data.bytes, " bytes)");
  m->deadline = call.deadline;
  m->data = static_cast<char*>(data.data);
  m->bytes = data.bytes;
  m->peer = from;
  m->tag = tag;
  std::unique_lock lock(mutex_);
  const auto early = std::find_if(unexpected_.begin(), unexpected_.end(), [&](Unexpected& u) {
    return (from < 0 || u.from == from) && u.frame.tag == tag;
  });
  if (early != unexpected_.end()) {
    Unexpected u = std::move(*early);
    unexpected_.erase(early);
    deliver(m, u.from, u.frame, u.from == link_->rank() ? u.data.data() : u.frame.data);
  } else if (from >= 0 && !peers_[from].lost.empty()) {
    m->why = peers_[from].lost;
    end(m, State::Failed);
  } else {
    expected_.push_back(m);
    for (int rank = 0; rank < link_->size(); ++rank)
      if (from < 0 || from == rank) start_reader(rank);
  }
  lock.unlock();
  return std::make_unique<Handle>(shared_from_this(), std::move(m), false);
}

// Lock held. The first receive that a message from `from` belongs to, or null.
GlooMessages::Shared GlooMessages::take_expected(int from, int64_t tag) {
  const auto match = std::find_if(expected_.begin(), expected_.end(), [&](const Shared& m) {
    return (m->peer < 0 || m->peer == from) && m->tag == tag;
  });
  if (match == expected_.end()) return nullptr;
  Shared m = *match;
  expected_.erase(match);
  return m;
}

// Lock held. A receive has met its message.
void GlooMessages::deliver(const Shared& m, int from, Frame& frame, const char* data) {
  m->peer = from;
  if (m->bytes != frame.bytes) {
    m->mismatch = true;
    m->why = message("rank ", link_->label(from), " sent ", frame.bytes, " bytes");
    return end(m, State::Failed);
  }
  if (frame.kind == Kind::Eager) {
    if (m->bytes) std::memcpy(m->data, data, m->bytes);
    return end(m, State::Done);
  }
  if (!peers_[from].lost.empty()) {
    m->why = peers_[from].lost;
    return end(m, State::Failed);
  }
  m->state = State::Moving;
  peers_[from].accepted[frame.number] = m;
  enqueue(from, {{Kind::Accept, frame.number, frame.tag, frame.bytes, {}}, nullptr});
}

// Lock held.
void GlooMessages::end(const Shared& m, State state) {
  m->state = state;
  m->busy = false;
  ++events_;
  changed_.notify_all();
}

// Lock held.
void GlooMessages::enqueue(int to, Outgoing item) {
  Peer& peer = peers_[to];
  peer.queue.push_back(std::move(item));
  if (!peer.writer.joinable() && !stopped_)
    peer.writer = std::thread([this, to] { write(to); });
  changed_.notify_all();
}

// Lock held.
void GlooMessages::start_reader(int rank) {
  Peer& peer = peers_[rank];
  if (rank == link_->rank() || peer.reader.joinable() || stopped_) return;
  peer.reader = std::thread([this, rank] { read(rank); });
}

// Starts work and waits for it, unless stop() was called. False: stopped.
bool GlooMessages::wait(int rank, c10::intrusive_ptr<c10d::Work> Peer::*slot,
                        const std::function<c10::intrusive_ptr<c10d::Work>()>& start) {
  c10::intrusive_ptr<c10d::Work> work;
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return false;
    work = peers_[rank].*slot = start();
  }
  const bool done = work->wait(kForever);
  std::lock_guard lock(mutex_);
  peers_[rank].*slot = nullptr;
  return done && !stopped_;
}

void GlooMessages::read(int from) {
  auto frame = std::make_unique<Frame>();
  try {
    while (step(from, *frame)) {
    }
  } catch (const std::exception& error) {
    lose(from, first_line(error.what()));
  }
}

// Reads one frame from `from`, and does what it asks for. False: stopped.
bool GlooMessages::step(int from, Frame& frame) {
  const auto receive = [&](void* data, size_t bytes, int tag) {
    return wait(from, &Peer::reading, [&] { return link_->recv(data, bytes, from, tag); });
  };
  if (!receive(&frame, sizeof(frame), kFrameTag)) return false;
  std::unique_lock lock(mutex_);
  Peer& peer = peers_[from];
  switch (frame.kind) {
    case Kind::Eager:
    case Kind::Offer: {
      if (const Shared m = take_expected(from, frame.tag)) deliver(m, from, frame, frame.data);
      else unexpected_.push_back({from, frame, {}});
      return true;
    }
    case Kind::Accept: {
      const auto offer = peer.offered.find(frame.number);
      Outgoing item{{Kind::Data, frame.number, frame.tag, frame.bytes, {}}, offer->second};
      item.message->state = State::Moving;
      peer.offered.erase(offer);
      enqueue(from, std::move(item));
      return true;
    }
    case Kind::Data: break;
  }
  const auto accept = peer.accepted.find(frame.number);
  const Shared m = accept->second;
  peer.accepted.erase(accept);
  m->busy = true;
  lock.unlock();
  const bool arrived = receive(m->data, m->bytes, kDataTag);
  lock.lock();
  end(m, arrived ? State::Done : State::Failed);
  return arrived;
}

void GlooMessages::write(int to) {
  Peer& peer = peers_[to];
  const auto transmit = [&](const void* data, size_t bytes, int tag) {
    return wait(to, &Peer::writing, [&] { return link_->send(data, bytes, to, tag); });
  };
  Shared current;
  try {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopped_ || !peer.queue.empty(); });
      if (stopped_) return;
      const auto item = std::make_unique<Outgoing>(std::move(peer.queue.front()));
      peer.queue.pop_front();
      current = item->message;
      const bool data = item->frame.kind == Kind::Data;
      if (data) current->busy = true;
      lock.unlock();
      bool done = transmit(&item->frame, sizeof(Frame), kFrameTag);
      if (done && data) done = transmit(current->data, current->bytes, kDataTag);
      lock.lock();
      if (current && item->frame.kind != Kind::Offer)
        end(current, done ? State::Done : State::Failed);
      current = nullptr;
      if (!done) return;
    }
  } catch (const std::exception& error) {
    if (current) {
      std::lock_guard lock(mutex_);
      current->why = first_line(error.what());
      end(current, State::Failed);
    }
    lose(to, first_line(error.what()));
  }
}

// The connection to a peer is gone: so are the messages that need it.
void GlooMessages::lose(int rank, const std::string& why) {
  std::lock_guard lock(mutex_);
  Peer& peer = peers_[rank];
  if (peer.lost.empty())
    peer.lost = message("the connection to rank ", link_->label(rank), " is lost: ", why);
  const auto fail = [&](const Shared& m) {
    if (!m || m->state == State::Done || m->state == State::Failed) return;
    if (m->why.empty()) m->why = peer.lost;
    end(m, State::Failed);
  };
  for (auto& [number, m] : peer.offered) fail(m);
  for (auto& [number, m] : peer.accepted) fail(m);
  for (Outgoing& item : peer.queue) fail(item.message);
  peer.offered.clear();
  peer.accepted.clear();
  peer.queue.clear();
  // A receive from anybody is lost when nobody is left who could send.
  const bool alone = std::all_of(peers_.begin(), peers_.end(), [&](const Peer& p) {
    return !p.lost.empty() || &p == &peers_[link_->rank()];
  });
  expected_.remove_if([&](const Shared& m) {
    if (m->peer != rank && !(m->peer < 0 && alone)) return false;
    fail(m);
    return true;
  });
}

bool GlooMessages::cancel(const Shared& m) noexcept {
  std::lock_guard lock(mutex_);
  if (m->state != State::Waiting) return false;
  expected_.remove(m);
  return true;
}

// The request is gone, and its memory may be soon: a receive that no message has met is
// forgotten, a send goes on from a copy.
void GlooMessages::abandon(const Shared& m, bool sending) noexcept {
  std::unique_lock lock(mutex_);
  // gloo moves its data: both ranks are at it, so it does not take long.
  changed_.wait(lock, [&] { return !m->busy; });
  if (m->state == State::Done || m->state == State::Failed || stopped_) return;
  if (!sending && m->state == State::Waiting) {
    expected_.remove(m);
    return;
  }
  m->owned.resize(m->bytes);
  if (sending) std::copy_n(m->data, m->bytes, m->owned.begin());
  m->data = m->owned.data();
}

void GlooMessages::await(std::chrono::microseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [&] { return events_ != seen_; });
  seen_ = events_;
}

void GlooMessages::interrupt() noexcept {
  std::lock_guard lock(mutex_);
  ++events_;
  changed_.notify_all();
}

} // namespace xpu_lite::ccl
