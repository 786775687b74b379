#include "backend/ccl/tcp/mesh.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "backend/ccl/exchange.h"

namespace xpu_lite::ccl::tcp {

std::string to_text(const Description& d) {
  const auto kind = static_cast<Collective>(d.kind);
  std::string text = message(name_of(kind), " #", d.sequence);
  std::string more;
  if (kind == Collective::AllReduce || kind == Collective::Reduce ||
      kind == Collective::ReduceScatter) {
    const auto type = static_cast<DataType>(d.type);
    more = message(name_of(static_cast<ReduceKind>(d.reduction)), " of ", name_of(type), ", ",
                   d.count * size_of(type), " bytes");
  } else if (d.count > 0) {
    more = message(d.count, " bytes");
  }
  if (d.root >= 0) more += message(more.empty() ? "" : ", ", "root ", d.root);
  return more.empty() ? text : message(text, " (", more, ")");
}

// What moves between this rank and one peer in one exchange: a head and its payload,
// each way.
struct Mesh::Traffic {
  struct Head {
    Description description;
    uint64_t bytes = 0;
  };
  Head out_head, in_head;
  ConstSlice out;
  Slice in;
  size_t sent = 0, got = 0;
  bool sent_all() const { return sent == sizeof(Head) + out.bytes; }
  bool has_head() const { return got >= sizeof(Head); }
  bool got_all() const { return got == sizeof(Head) + in.bytes; }

  // False: the connection is lost.
  bool push(const Fd& fd) {
    while (!sent_all()) {
      const bool in_head_part = sent < sizeof(Head);
      const char* from = in_head_part
                             ? reinterpret_cast<const char*>(&out_head) + sent
                             : static_cast<const char*>(out.data) + (sent - sizeof(Head));
      const size_t left = in_head_part ? sizeof(Head) - sent : sizeof(Head) + out.bytes - sent;
      const ssize_t moved = write_some(fd, from, left);
      if (moved < 0) return false;
      if (moved == 0) return true;
      sent += moved;
    }
    return true;
  }
  // Stops behind the head: it must be looked at before the payload can be taken.
  bool pull(const Fd& fd, bool payload) {
    while (!(payload ? got_all() : has_head())) {
      char* to = payload ? static_cast<char*>(in.data) + (got - sizeof(Head))
                         : reinterpret_cast<char*>(&in_head) + got;
      const size_t left = payload ? sizeof(Head) + in.bytes - got : sizeof(Head) - got;
      const ssize_t moved = read_some(fd, to, left);
      if (moved < 0) return false;
      if (moved == 0) return true;
      got += moved;
    }
    return true;
  }
};

Mesh::Mesh(const Group& group)
    : rank_(group.rank),
      size_(group.size),
      labels_(group.labels),
      name_(group.name),
      endpoint_(std::make_unique<Endpoint>(group, "mesh")),
      data_(group.size),
      alarm_(group.size),
      heard_(group.size),
      gone_(group.size) {
  // The higher rank connects to the lower one.
  for (int peer = 0; peer < rank_; ++peer) {
    data_[peer] = endpoint_->connect(peer, Channel::Data, group.deadline);
    alarm_[peer] = endpoint_->connect(peer, Channel::Alarm, group.deadline);
  }
  for (;;) {
    endpoint_->clear();
    for (auto& visitor : endpoint_->visitors()) {
      auto& list = visitor.channel == Channel::Data ? data_ : alarm_;
      list[visitor.from] = std::move(visitor.fd);
    }
    std::vector<int> missing;
    for (int peer = rank_ + 1; peer < size_; ++peer)
      if (!data_[peer] || !alarm_[peer]) missing.push_back(peer);
    if (missing.empty()) break;
    if (Clock::now() >= group.deadline)
      throw TimeoutError(message("process group '", name_, "': no connection in time from ",
                                 missing.size() == 1 ? "rank " : "ranks ",
                                 label_list(missing), " to rank ", group.label(rank_)));
    pollfd poll{endpoint_->arrived(), POLLIN, 0};
    ::poll(&poll, 1, poll_limit(group.deadline));
  }
  endpoint_->close();
}

Mesh::~Mesh() {
  std::lock_guard lock(mutex_);
  if (broken_) return;
  const char goodbye[2] = {static_cast<char>(Cause::Goodbye), '\n'};
  for (const Fd& fd : alarm_)
    if (fd) write_some(fd, goodbye, sizeof goodbye);
}

std::string Mesh::interface() const {
  for (const Fd& fd : data_)
    if (fd) return interface_of(fd);
  return "";
}

std::string Mesh::label_list(const std::vector<int>& ranks) const {
  std::vector<int> names;
  for (int rank : ranks) names.push_back(labels_.empty() ? rank : labels_[rank]);
  return list_of(names);
}

int Mesh::poll_limit(Deadline deadline) const {
  const auto now = Clock::now();
  if (deadline <= now) return 0;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - now);
  return static_cast<int>(std::min<int64_t>(left.count() + 1, 1000));
}

void Mesh::raise(const Broken& broken) {
  if (broken.cause == Cause::Timeout) throw TimeoutError(broken.reason);
  if (broken.cause == Cause::Mismatch) throw MismatchError(broken.reason);
  throw PeerError(broken.reason);
}

void Mesh::break_group(Cause cause, const std::string& reason) noexcept {
  std::lock_guard lock(mutex_);
  if (broken_) return;
  broken_ = Broken{cause, reason};
  broke_.set();
  const std::string words = static_cast<char>(cause) + reason.substr(0, 8000) + '\n';
  for (const Fd& fd : alarm_)
    if (fd) write_some(fd, words.data(), words.size()); // fits an empty socket's buffer
}

void Mesh::fail(Cause cause, const std::string& reason) {
  break_group(cause, reason);
  check(); // another thread's reason may have been first
  throw PeerError(reason);
}

void Mesh::check() const {
  std::lock_guard lock(mutex_);
  if (broken_) raise(*broken_);
}

void Mesh::abort(const std::string& reason) noexcept { break_group(Cause::Error, reason); }

std::string Mesh::broken() const {
  for (int peer = 0; peer < size_; ++peer)
    if (peer != rank_) look(peer);
  std::lock_guard lock(mutex_);
  return broken_ ? broken_->reason : "";
}

void Mesh::look(int peer) const {
  std::lock_guard lock(mutex_);
  if (gone_[peer] == 'D' || !alarm_[peer]) return;
  std::string& heard = heard_[peer];
  char block[4096];
  for (;;) {
    const ssize_t moved = read_some(alarm_[peer], block, sizeof block);
    if (moved < 0) {
      if (gone_[peer] != 'G') gone_[peer] = 'D';
      break;
    }
    if (moved == 0) break;
    heard.append(block, moved);
  }
  const size_t end = heard.find('\n');
  if (end == std::string::npos) return;
  const auto cause = static_cast<Cause>(heard[0]);
  if (cause == Cause::Goodbye) {
    if (gone_[peer] == 0 || gone_[peer] == 'D') gone_[peer] = 'G';
  } else if (!broken_) {
    broken_ = Broken{cause, heard.substr(1, end - 1)};
    broke_.set();
  }
  heard.clear();
}

// A connection ended in the middle of a call. Its reason, if the peer had one, is on
// the alarm, or will be in a moment.
void Mesh::lost(int peer) {
  const Deadline patience = Clock::now() + std::chrono::milliseconds(200);
  do {
    look(peer);
    check();
    if (gone_[peer]) break;
    pollfd poll{alarm_[peer].get(), POLLIN, 0};
    ::poll(&poll, 1, 50);
  } while (Clock::now() < patience);
  // Others may know better: who broke the group closes its connections, too.
  for (int other = 0; other < size_; ++other)
    if (other != rank_) look(other);
  check();
  fail(Cause::Error, message(to_text(current_), " of process group '", name_, "': ", describe(peer),
                             gone_[peer] == 'G' ? " has left the group"
                                                : " is gone: its connection was lost"));
}

std::vector<uint64_t> Mesh::exchange(const Call& call, const Description& mine,
                                     const ConstSlice* sends, const Slice* recvs) {
  check();
  current_ = mine;
  std::vector<uint64_t> notes(size_, mine.note);
  std::vector<Traffic> traffic(size_);
  int open = 0;
  const auto move = [&](int peer, bool first) {
    Traffic& t = traffic[peer];
    const bool had_head = t.has_head();
    if (!t.push(data_[peer])) lost(peer);
    if (first) return;
    if (!t.pull(data_[peer], had_head)) lost(peer);
    if (had_head || !t.has_head()) return;
    Description theirs = t.in_head.description;
    notes[peer] = std::exchange(theirs.note, mine.note);
    if (std::memcmp(&theirs, &mine, sizeof mine) != 0)
      fail(Cause::Mismatch,
           message("process group '", name_, "': ranks called different things: rank ",
                   label_list({rank_}), ": ", to_text(mine), "; rank ", label_list({peer}),
                   ": ", to_text(theirs)));
    if (t.in_head.bytes != t.in.bytes)
      fail(Cause::Mismatch,
           message(to_text(current_), " of process group '", name_, "': rank ", label_list({peer}),
                   " sends ", t.in_head.bytes, " bytes to rank ", label_list({rank_}),
                   ", which expects ", t.in.bytes));
    if (!t.pull(data_[peer], true)) lost(peer);
  };
  for (int step = 1; step < size_; ++step) {
    const int peer = (rank_ + step) % size_; // not all to rank 0 first
    Traffic& t = traffic[peer];
    if (sends) t.out = sends[peer];
    if (recvs) t.in = recvs[peer];
    t.out_head = {mine, t.out.bytes};
    move(peer, true);
    ++open;
  }
  std::vector<pollfd> polls;
  std::vector<int> who;
  while (open > 0) {
    polls.assign(1, {broke_.fd(), POLLIN, 0});
    who.assign(1, -1);
    for (int peer = 0; peer < size_; ++peer) {
      Traffic& t = traffic[peer];
      if (peer == rank_ || (t.sent_all() && t.got_all())) continue;
      const int wanted = (t.sent_all() ? 0 : POLLOUT) | (t.got_all() ? 0 : POLLIN);
      polls.push_back({data_[peer].get(), static_cast<short>(wanted), 0});
      who.push_back(peer);
    }
    const size_t alarms = polls.size();
    for (int peer = 0; peer < size_; ++peer) {
      if (peer == rank_ || gone_[peer]) continue;
      polls.push_back({alarm_[peer].get(), POLLIN, 0});
      who.push_back(peer);
    }
    if (::poll(polls.data(), polls.size(), poll_limit(call.deadline)) < 0) continue;
    for (size_t i = 1; i < alarms; ++i) {
      if (!polls[i].revents) continue;
      const Traffic& t = traffic[who[i]];
      move(who[i], false);
      if (t.sent_all() && t.got_all()) --open;
    }
    for (size_t i = alarms; i < polls.size(); ++i)
      if (polls[i].revents) look(who[i]);
    check();
    if (open == 0 || Clock::now() < call.deadline) continue;
    std::vector<int> absent, slow;
    for (int peer = 0; peer < size_; ++peer) {
      const Traffic& t = traffic[peer];
      if (peer == rank_ || (t.sent_all() && t.got_all())) continue;
      (t.has_head() ? slow : absent).push_back(peer);
    }
    const auto& ranks = absent.empty() ? slow : absent;
    fail(Cause::Timeout,
         message(to_text(mine), " of process group '", name_, "' is not done in time: ",
                 ranks.size() == 1 ? "rank " : "ranks ", label_list(ranks),
                 absent.empty() ? " came, but did not move all data" : " did not arrive"));
  }
  return notes;
}

void Mesh::wait_for(const Call& call, int fd) {
  for (;;) {
    check();
    std::vector<pollfd> polls{{fd, POLLIN, 0}, {broke_.fd(), POLLIN, 0}};
    std::vector<int> who{-1, -1};
    for (int peer = 0; peer < size_; ++peer) {
      if (peer == rank_) continue;
      if (gone_[peer] == 'D') lost(peer); // broken() may have seen it first
      if (gone_[peer]) continue;                // one that has left did its part
      polls.push_back({alarm_[peer].get(), POLLIN, 0});
      who.push_back(peer);
    }
    if (::poll(polls.data(), polls.size(), poll_limit(call.deadline)) < 0) continue;
    if (polls[0].revents) return;
    for (size_t i = 2; i < polls.size(); ++i)
      if (polls[i].revents) look(who[i]);
    if (Clock::now() >= call.deadline)
      fail(Cause::Timeout, message(to_text(current_), " of process group '", name_,
                                   "' is not done in time: all ranks came, but oneCCL did "
                                   "not finish it"));
  }
}

} // namespace xpu_lite::ccl::tcp
