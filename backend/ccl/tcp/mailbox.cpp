// See Note [Messages] in the header.

#include "backend/ccl/tcp/mailbox.h"

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <list>
#include <mutex>

#include "backend/ccl/tcp/frames.h"

namespace xpu_lite::ccl::tcp {
namespace {

constexpr size_t kSmall = 64 << 10; // bytes that are sent without being asked for

// What came and no receive wanted yet.
struct Waiting {
  int from;
  Head head;
  std::string data; // of Small
};
// A connection that a peer sends on.
struct Incoming {
  int from;
  Fd fd;
  Head head{};
  size_t got = 0; // of the head and what follows
  std::shared_ptr<Message> into{};
  std::shared_ptr<Waiting> aside{};
  std::string words{};
};

} // namespace

class Mailbox::State {
 public:
  explicit State(const Group& group)
      : endpoint_(group, "messages"),
        rank_(group.rank),
        name_(group.name),
        labels_(group.labels),
        out_(group.size),
        gone_(group.size, false),
        left_(group.size, false) {}

  std::shared_ptr<Message> start(const Call& call, bool receive, void* data, size_t bytes,
                                 int peer, int64_t tag) {
    auto message = std::make_shared<Message>(
        Message{call, receive, peer, tag, static_cast<char*>(data), bytes});
    message->id = ++last_id_;
    if (is_broken_) {
      message->error = error();
      return message;
    }
    pending_.push_back(message);
    if (receive) start_receive(message);
    else start_send(message);
    return message;
  }

  // True: `message` is a receive that nothing was matched to, and is no more.
  bool withdraw(const std::shared_ptr<Message>& message) {
    const auto it = std::find(wanted_.begin(), wanted_.end(), message);
    if (it == wanted_.end()) return false;
    wanted_.erase(it);
    pending_.remove(message);
    return true;
  }
  // The caller's buffer goes away.
  void drop(const std::shared_ptr<Message>& message) {
    if (message->over() || withdraw(message)) return;
    message->copy.resize(message->bytes);
    if (!message->receive) std::memcpy(message->copy.data(), message->data, message->bytes);
    message->data = message->copy.data();
  }

  void progress() {
    if (is_broken_) return end_all();
    let_in();
    for (size_t to = 0; to < out_.size(); ++to) push(static_cast<int>(to));
    for (Incoming& in : in_) pull(in);
    in_.remove_if([](const Incoming& in) { return !in.fd; });
    pending_.remove_if([](const auto& message) { return message->over(); });
    check_deadlines();
    if (is_broken_) end_all();
  }

  void add_polls(std::vector<pollfd>& polls) const {
    polls.push_back({endpoint_.arrived(), POLLIN, 0});
    polls.push_back({interrupt_.fd(), POLLIN, 0});
    for (const SendQueue& out : out_)
      if (out.fd)
        polls.push_back({out.fd.get(), short(out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
    for (const Incoming& in : in_) polls.push_back({in.fd.get(), POLLIN, 0});
  }
  void interrupt() noexcept { interrupt_.set(); }
  void clear_interrupt() noexcept { interrupt_.clear(); }

  void abort(const std::string& reason) noexcept {
    std::lock_guard lock(mutex_);
    if (is_broken_) return;
    reason_ = reason;
    is_broken_ = true;
    interrupt_.set();
  }
  std::string broken() const {
    std::lock_guard lock(mutex_);
    return reason_;
  }
  std::string describe(int rank) const { return endpoint_.describe(rank); }

  void shut_down() {
    const Deadline limit = Clock::now() + std::chrono::seconds(1);
    const auto sending = [](const auto& message) { return !message->receive; };
    while (!is_broken_ && Clock::now() < limit &&
           std::any_of(pending_.begin(), pending_.end(), sending)) {
      std::vector<pollfd> polls;
      add_polls(polls);
      ::poll(polls.data(), polls.size(), 10);
      progress();
    }
    if (!is_broken_)
      for (SendQueue& out : out_) {
        out.add({Frame::Goodbye, 0, 0, 0});
        out.push();
      }
    told_ = true; // goodbye is enough
    abort(message("process group '", name_, "' was shut down"));
    end_all();
    endpoint_.close();
  }

 private:
  std::string label(int rank) const {
    return message("rank ", labels_.empty() ? rank : labels_[rank]);
  }
  std::string title(const Message& m) const {
    return message(name_of(m.call.kind), " #", m.call.sequence, " (tag ", m.tag, ", ",
                   m.bytes, " bytes) of process group '", name_, "'");
  }
  std::exception_ptr error() const {
    return first_ ? first_ : std::make_exception_ptr(PeerError(broken()));
  }

  template <class Kind>
  void fail(const Kind& failure) {
    if (is_broken_) return;
    first_ = std::make_exception_ptr(failure);
    abort(failure.what());
  }
  // The group is broken: nothing that is under way comes to a good end.
  void end_all() {
    if (!std::exchange(told_, true)) {
      const std::string reason = broken().substr(0, 8000);
      for (SendQueue& out : out_) {
        out.clear_unsent();
        out.add({Frame::Abort, 0, 0, reason.size()}, nullptr, reason);
        out.push();
      }
    }
    for (const auto& message : pending_)
      if (!message->over()) message->error = error();
    pending_.clear();
    wanted_.clear();
    in_.clear();
    for (SendQueue& out : out_) {
      out.clear();
      out.fd.reset();
    }
  }

  void start_send(const std::shared_ptr<Message>& message) {
    if (!connect(*message, message->peer)) return;
    const bool small = message->bytes <= kSmall;
    const Head head{small ? Frame::Small : Frame::Offer, message->id, message->tag,
                    message->bytes};
    out_[message->peer].add(head, small ? message : nullptr);
    push(message->peer);
  }

  void start_receive(const std::shared_ptr<Message>& message) {
    if (take_waiting(message)) return;
    wanted_.push_back(message);
    // A connection to the sender shows when it is gone.
    const int from = message->peer;
    if (from < 0 || from == rank_ || (out_[from].fd && !gone_[from])) return;
    if (!gone_[from]) {
      try {
        out_[from].fd = endpoint_.connect(from, Channel::Messages, message->call.deadline);
        return;
      } catch (const PeerError&) {
        let_in(); // what it sent before it went counts
        for (Incoming& in : in_)
          if (in.from == from) pull(in);
      }
    }
    if (!is_broken_ && !talks(from)) peer_ended(from);
  }

  // Looks among what came before the receive.
  bool take_waiting(const std::shared_ptr<Message>& message) {
    for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
      const std::shared_ptr<Waiting> found = *it;
      if (!message->wants(found->from, found->head.tag)) continue;
      waiting_.erase(it);
      if (!match(*message, found->from, found->head)) return true;
      if (found->head.frame == Frame::Offer) {
        accept(message, found->head);
        return true;
      }
      if (message->bytes) std::memcpy(message->data, found->data.data(), message->bytes);
      for (Incoming& in : in_) {
        if (in.aside != found) continue;
        in.aside.reset(); // the rest is still on its way
        in.into = message;
        return true;
      }
      message->done = true;
      return true;
    }
    return false;
  }

  bool connect(Message& message, int to) {
    if (out_[to].fd) return true;
    try {
      out_[to].fd = endpoint_.connect(to, Channel::Messages, message.call.deadline);
      return true;
    } catch (const TimeoutError& failure) {
      fail(TimeoutError(xpu_lite::message(title(message), ": ", failure.what())));
    } catch (const std::exception& failure) {
      fail(PeerError(xpu_lite::message(title(message), ": ", failure.what())));
    }
    message.error = error();
    return false;
  }

  void let_in() {
    endpoint_.clear();
    for (auto& visitor : endpoint_.visitors())
      in_.push_back({visitor.from, std::move(visitor.fd)});
  }

  void push(int to) {
    SendQueue& out = out_[to];
    char byte; // nothing ever comes on a connection that this rank sends on, but its end
    if (!out.fd || (out.push() && read_some(out.fd, &byte, 1) >= 0)) return;
    out.fd.reset();
    if (!talks(to)) peer_ended(to); // else the other direction ends soon, too
  }
  bool talks(int peer) const {
    return std::any_of(in_.begin(), in_.end(),
                       [&](const Incoming& in) { return in.fd && in.from == peer; });
  }

  // A peer will not say anything more. That is a failure if something waits for it.
  void peer_ended(int peer) {
    gone_[peer] = true;
    for (const auto& m : pending_) {
      if (m->over() || m->peer != peer) continue;
      return fail(PeerError(message(title(*m), ": ", describe(peer),
                                    left_[peer] ? " has left the group"
                                                : " is gone: its connection was lost")));
    }
  }

  void pull(Incoming& in) {
    while (in.fd && !is_broken_) {
      const bool in_head = in.got < sizeof(Head);
      const size_t total =
          sizeof(Head) + (!in_head && has_body(in.head.frame) ? in.head.bytes : 0);
      if (in.got < total) {
        const size_t at = in_head ? in.got : in.got - sizeof(Head);
        char* to = reinterpret_cast<char*>(&in.head);
        if (!in_head)
          to = in.into ? in.into->data : in.aside ? in.aside->data.data() : in.words.data();
        const ssize_t moved = read_some(in.fd, to + at, total - in.got);
        if (moved < 0) {
          in.fd.reset();
          if (in.into) in.into->peer = in.from; // from anyone: it is known by now
          if (!talks(in.from)) peer_ended(in.from);
          return;
        }
        if (moved == 0) return;
        in.got += moved;
        if (in_head && in.got == sizeof(Head)) begin(in);
        if (in_head) continue; // the size of the frame may be another now
      }
      if (in.got >= total) finish(in);
    }
  }

  // The head of a frame is there: where does the rest go?
  void begin(Incoming& in) {
    Head& head = in.head;
    if (head.frame == Frame::Abort) {
      head.bytes = std::min<uint64_t>(head.bytes, 1 << 16);
      in.words.assign(head.bytes, ' ');
    } else if (head.frame == Frame::Data) {
      for (const auto& m : pending_)
        if (m->receive && m->source == in.from && m->offer == head.id) in.into = m;
    } else if (head.frame == Frame::Small || head.frame == Frame::Offer) {
      for (auto it = wanted_.begin(); it != wanted_.end(); ++it) {
        const std::shared_ptr<Message> wanted = *it;
        if (!wanted->wants(in.from, head.tag)) continue;
        wanted_.erase(it);
        if (!match(*wanted, in.from, head)) return;
        if (head.frame == Frame::Offer) accept(wanted, head);
        else in.into = wanted;
        return;
      }
      in.aside = std::make_shared<Waiting>(Waiting{in.from, head, {}});
      if (head.frame == Frame::Small) in.aside->data.resize(head.bytes);
      waiting_.push_back(in.aside);
    }
  }
  void finish(Incoming& in) {
    in.got = 0;
    in.aside.reset();
    if (in.into) std::exchange(in.into, nullptr)->done = true;
    switch (in.head.frame) {
      case Frame::Goodbye: left_[in.from] = true; break;
      case Frame::Abort: fail(PeerError(in.words)); break;
      case Frame::Accept:
        for (const auto& m : pending_) {
          if (m->receive || m->id != in.head.id) continue;
          out_[in.from].add({Frame::Data, m->id, m->tag, m->bytes}, m);
          push(in.from);
          break;
        }
        break;
      default: break;
    }
  }

  // The sizes must agree. They are the first thing that both know of each other.
  bool match(Message& wanted, int from, const Head& head) {
    wanted.source = from;
    if (head.bytes == wanted.bytes) return true;
    fail(MismatchError(message(title(wanted), ": ", label(from), " sent ", head.bytes,
                               " bytes to ", label(rank_), ", which expects ", wanted.bytes)));
    wanted.error = error();
    return false;
  }
  void accept(const std::shared_ptr<Message>& wanted, const Head& offer) {
    const int from = wanted->source;
    wanted->peer = from;
    wanted->offer = offer.id;
    if (!connect(*wanted, from)) return;
    out_[from].add({Frame::Accept, offer.id, offer.tag, offer.bytes});
    push(from);
  }

  void check_deadlines() {
    const auto now = Clock::now();
    for (const auto& m : pending_) {
      if (now < m->call.deadline) continue;
      const std::string who = m->peer < 0 ? "no rank" : label(m->peer);
      const char* what = !m->receive       ? " did not receive it"
                         : m->source < 0   ? " did not send it"
                                           : " did not send all of it";
      return fail(TimeoutError(message(title(*m), " is not done in time: ", who, what)));
    }
  }

  Endpoint endpoint_;
  Signal interrupt_;
  const int rank_;
  const std::string name_;
  const std::vector<int> labels_;
  uint64_t last_id_ = 0;
  std::vector<SendQueue> out_; // by rank
  std::list<Incoming> in_;
  std::list<std::shared_ptr<Message>> pending_; // all that is under way
  std::list<std::shared_ptr<Message>> wanted_;  // receives that nothing is matched to
  std::list<std::shared_ptr<Waiting>> waiting_; // by arrival
  std::vector<bool> gone_, left_;               // by rank
  bool told_ = false;                           // the peers know that the group is broken
  std::exception_ptr first_;
  mutable std::mutex mutex_; // of reason_
  std::string reason_;
  std::atomic<bool> is_broken_{false};
};

namespace {

template <class State>
class MessageRequest final : public Request {
 public:
  MessageRequest(std::shared_ptr<State> state, std::shared_ptr<Message> message)
      : state_(std::move(state)), message_(std::move(message)) {}
  ~MessageRequest() override { state_->drop(message_); }
  bool test() override {
    if (message_->error) std::rethrow_exception(message_->error);
    return message_->done;
  }
  int source() const noexcept override {
    return message_->receive && message_->done ? message_->source : -1;
  }
  bool cancel() noexcept override { return message_->receive && state_->withdraw(message_); }

 private:
  std::shared_ptr<State> state_;
  std::shared_ptr<Message> message_;
};

} // namespace

Mailbox::Mailbox(const Group& group) : state_(std::make_shared<State>(group)) {}
Mailbox::~Mailbox() { state_->shut_down(); }

std::unique_ptr<Request> Mailbox::send(const Call& call, ConstSlice data, int to, int64_t tag) {
  return std::make_unique<MessageRequest<State>>(
      state_, state_->start(call, false, const_cast<void*>(data.data), data.bytes, to, tag));
}
std::unique_ptr<Request> Mailbox::recv(const Call& call, Slice data, int from, int64_t tag) {
  return std::make_unique<MessageRequest<State>>(
      state_, state_->start(call, true, data.data, data.bytes, from, tag));
}
void Mailbox::progress() { state_->progress(); }
void Mailbox::interrupt() noexcept { state_->interrupt(); }
void Mailbox::abort(const std::string& reason) noexcept { state_->abort(reason); }
std::string Mailbox::broken() const { return state_->broken(); }
std::string Mailbox::describe(int rank) const { return state_->describe(rank); }

void Mailbox::await_progress(std::chrono::microseconds limit) {
  std::vector<pollfd> polls;
  state_->add_polls(polls);
  const timespec time{static_cast<time_t>(limit.count() / 1000000),
                      static_cast<long>(limit.count() % 1000000 * 1000)};
  ::ppoll(polls.data(), polls.size(), &time, nullptr);
  state_->clear_interrupt();
}

} // namespace xpu_lite::ccl::tcp
