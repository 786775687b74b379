// Several ranks on each of several hosts. What a rank does with H hosts, m ranks on each,
// B bytes on every rank, S(x) the cost inside a host and N(x) between H ranks:
//
//   all_reduce      S(reduce B) + N(all_reduce B) + S(broadcast B)
//   reduce          S(reduce B) + N(reduce B), and S(B) where the root does not lead
//   broadcast       S(broadcast B) + N(broadcast B) + S(broadcast B)
//   all_gather      S(all_gather B) + N(all_gather m B) + S(broadcast of the other hosts')
//   reduce_scatter  S(reduce B) + N(reduce_scatter B) + S(scatter B / H)
//   all_to_all, gather, scatter
//                   S(sizes) + S(all_to_all) + S(gather) + N(all_to_all) + S(scatter)
//   barrier         S + N + S
//
// Between hosts the lowest rank of each, its leader, speaks for all; each byte crosses
// the network once per host instead of once per rank. Ranks may lie on the hosts in any
// order and any number. Messages go straight from rank to rank: in shared memory, or
// over TCP.

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <numeric>
#include <thread>

#include "backend/ccl/any_receive.h"
#include "backend/ccl/exchange.h"
#include "backend/ccl/hierarchical.h"
#include "backend/ccl/kernels/reduce.h"
#include "backend/ccl/prefix_store.h"
#include "backend/ccl/tcp/mailbox.h"
#include "backend/ccl/transport.h"

namespace xpu_lite::ccl {
namespace {

using namespace hierarchical;

// The part of a group that `ranks` are.
Group part_of(const Group& group, const std::vector<int>& ranks, const std::string& prefix) {
  Group part;
  part.size = static_cast<int>(ranks.size());
  part.store = std::make_shared<PrefixStore>(prefix, group.store);
  part.deadline = group.deadline;
  part.name = group.name;
  for (int i = 0; i < part.size; ++i) {
    if (ranks[i] == group.rank) part.rank = i;
    part.hosts.push_back(group.hosts[ranks[i]]);
    part.labels.push_back(group.label(ranks[i]));
  }
  return part;
}

// A message inside the host, with the sender's rank in the whole group.
class LocalRequest final : public Request {
 public:
  LocalRequest(std::unique_ptr<Request> inner, const std::vector<int>& members)
      : inner_(std::move(inner)), members_(members) {}
  bool test() override { return inner_->test(); }
  int source() const noexcept override {
    const int source = inner_->source();
    return source < 0 ? source : members_[source];
  }
  bool cancel() noexcept override { return inner_->cancel(); }

 private:
  std::unique_ptr<Request> inner_;
  const std::vector<int>& members_;
};

class Hierarchical final : public Transport {
 public:
  Hierarchical(const Group& group, const TransportFactory& between)
      : layout_(group),
        rank_(group.rank),
        host_(layout_.host[rank_]),
        mine_(layout_.members[host_]),
        leads_(mine_[0] == rank_) {
    together(group, "inside", [&] {
      if (mine_.size() > 1)
        local_ = make_shm_transport(part_of(group, mine_, message("host", host_)));
      return "";
    });
    std::vector<int> leaders;
    for (const auto& members : layout_.members) leaders.push_back(members[0]);
    const auto names = together(group, "between", [&] {
      if (leads_) between_ = between(part_of(group, leaders, "leaders"));
      return leads_ ? between_->name() : "";
    });
    name_ = message("shm+", names[mine_[0]]);
    mailbox_ = std::make_unique<tcp::Mailbox>(group);
    if (leads_ && local_) watch_ = std::thread([this] { watch(); });
  }
  ~Hierarchical() override {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    if (watch_.joinable()) watch_.join();
  }

  const char* name() const noexcept override { return name_.c_str(); }
  int rank() const noexcept override { return rank_; }
  int size() const noexcept override { return static_cast<int>(layout_.host.size()); }
  std::string describe() const override {
    std::string text = message(layout_.hosts(), " hosts: ");
    for (int host = 0; host < layout_.hosts(); ++host)
      text += message(host ? "; " : "", list_of(layout_.members[host]));
    if (local_) text += "; inside: " + local_->describe();
    if (between_) text += "; between: " + between_->describe();
    return text;
  }

  void all_reduce(const Call& call, const void* in, void* out, size_t count, DataType type,
                  const Reduction& reduction) override {
    check_reduction(type, reduction);
    guard(call, count, -1, [&](const Phases& p) {
      reduce_here(p.inward, in, out, count, type, reduction);
      if (leads_) {
        between_->all_reduce(p.across, out, out, count, type, second(reduction));
        average(out, count, type, reduction);
      }
      if (local_) local_->broadcast(p.outward, out, count * size_of(type), 0);
    });
  }

  void reduce(const Call& call, const void* in, void* out, size_t count, DataType type,
              const Reduction& reduction, int root) override {
    check_reduction(type, reduction);
    guard(call, count, root, [&](const Phases& p) {
      const size_t bytes = count * size_of(type);
      const bool mine = rank_ == root, here = layout_.host[root] == host_;
      Bytes room(leads_ && !mine ? bytes : 0);
      void* sum = mine ? out : room.data();
      reduce_here(p.inward, in, sum, count, type, reduction);
      if (leads_) {
        between_->reduce(p.across, sum, sum, count, type, second(reduction), layout_.host[root]);
        if (here) average(sum, count, type, reduction);
      }
      if (here) hand_over(p.outward, sum, out, bytes, root);
    });
  }

  void broadcast(const Call& call, void* data, size_t bytes, int root) override {
    guard(call, bytes, root, [&](const Phases& p) {
      const bool here = layout_.host[root] == host_;
      if (here && local_) local_->broadcast(p.inward, data, bytes, layout_.index[root]);
      if (leads_) between_->broadcast(p.across, data, bytes, layout_.host[root]);
      if (!here && local_) local_->broadcast(p.outward, data, bytes, 0);
    });
  }

  void all_gather(const Call& call, ConstSlice in, const Slice* outs) override {
    guard(call, 0, -1, [&](const Phases& p) { gather_all(p, in, outs); });
  }

  void gather(const Call& call, ConstSlice in, const Slice* outs, int root) override {
    guard(call, 0, root, [&](const Phases& p) {
      std::vector<ConstSlice> ins(size());
      std::vector<Slice> takes(size());
      ins[root] = in;
      if (rank_ == root) takes.assign(outs, outs + size());
      deliver(p, ins.data(), takes.data());
    });
  }

  void scatter(const Call& call, const ConstSlice* ins, Slice out, int root) override {
    guard(call, 0, root, [&](const Phases& p) {
      std::vector<ConstSlice> gives(size());
      std::vector<Slice> outs(size());
      if (rank_ == root) gives.assign(ins, ins + size());
      outs[root] = out;
      deliver(p, gives.data(), outs.data());
    });
  }

  void reduce_scatter(const Call& call, const void* const* ins, const size_t* counts, void* out,
                      DataType type, const Reduction& reduction) override {
    check_reduction(type, reduction);
    const size_t total = std::accumulate(counts, counts + size(), size_t{0});
    guard(call, total, -1, [&](const Phases& p) {
      const size_t width = size_of(type);
      // By host, and by rank within it: what a host gets is in one piece.
      std::vector<ConstSlice> pieces;
      std::vector<size_t> host_counts(layout_.hosts(), 0);
      for (int host = 0; host < layout_.hosts(); ++host)
        for (int r : layout_.members[host]) {
          pieces.push_back({ins[r], counts[r] * width});
          host_counts[host] += counts[r];
        }
      Bytes room;
      const void* all = joined(pieces, room);
      Bytes sum(leads_ ? total * width : 0);
      reduce_here(p.inward, all, sum.data(), total, type, reduction);
      Bytes part(leads_ ? host_counts[host_] * width : 0);
      if (leads_) {
        std::vector<const void*> parts;
        size_t from = 0;
        for (size_t count : host_counts) {
          parts.push_back(sum.data() + from * width);
          from += count;
        }
        between_->reduce_scatter(p.across, parts.data(), host_counts.data(), part.data(), type,
                                 second(reduction));
        average(part.data(), host_counts[host_], type, reduction);
      }
      if (!local_) return copy(out, part.data(), counts[rank_] * width);
      std::vector<ConstSlice> shares(mine_.size());
      size_t from = 0;
      for (size_t i = 0; i < mine_.size() && leads_; ++i) {
        shares[i] = {part.data() + from, counts[mine_[i]] * width};
        from += shares[i].bytes;
      }
      local_->scatter(p.outward, shares.data(), {out, counts[rank_] * width}, 0);
    });
  }

  void all_to_all(const Call& call, const ConstSlice* ins, const Slice* outs) override {
    guard(call, 0, -1, [&](const Phases& p) { deliver(p, ins, outs); });
  }

  void barrier(const Call& call) override {
    guard(call, 0, -1, [&](const Phases& p) {
      if (local_) local_->barrier(p.inward);
      if (leads_) between_->barrier(p.across);
      if (local_) local_->barrier(p.outward);
    });
  }

  std::unique_ptr<Request> send(const Call& call, ConstSlice data, int to,
                                int64_t tag) override {
    if (local_ && layout_.host[to] == host_)
      return std::make_unique<LocalRequest>(
          local_->send(call, data, layout_.index[to], tag), mine_);
    return mailbox_->send(call, data, to, tag);
  }
  std::unique_ptr<Request> recv(const Call& call, Slice data, int from, int64_t tag) override {
    if (from >= 0 && !(local_ && layout_.host[from] == host_))
      return mailbox_->recv(call, data, from, tag);
    if (from >= 0 || !local_) {
      if (!local_) return mailbox_->recv(call, data, -1, tag);
      return std::make_unique<LocalRequest>(
          local_->recv(call, data, layout_.index[from], tag), mine_);
    }
    return any_.add(tag, [this, call, data, tag](int way) -> std::unique_ptr<Request> {
      if (way == 0)
        return std::make_unique<LocalRequest>(local_->recv(call, data, -1, tag), mine_);
      return mailbox_->recv(call, data, -1, tag);
    });
  }
  void progress() override {
    if (const std::string reason = broken(); !reason.empty()) spread(reason);
    if (local_) local_->progress();
    mailbox_->progress();
    any_.turn();
  }
  void await_progress(std::chrono::microseconds limit) override {
    // There is no waiting for both at once: in turns, shortly.
    using std::chrono::microseconds;
    if (!local_) return mailbox_->await_progress(std::min(limit, microseconds(100000)));
    (turn_ = !turn_) ? local_->await_progress(std::min(limit, microseconds(500)))
                     : mailbox_->await_progress(std::min(limit, microseconds(500)));
  }
  void interrupt() noexcept override {
    if (local_) local_->interrupt();
    mailbox_->interrupt();
  }

  void abort(const std::string& reason) noexcept override { spread(reason); }
  std::string broken() const override {
    std::string reason;
    if (local_) reason = local_->broken();
    if (reason.empty() && between_) reason = between_->broken();
    if (reason.empty()) reason = mailbox_->broken();
    return reason;
  }

 private:
  // Every rank's make(); if it throws on any rank, every rank throws.
  template <class Make>
  static std::vector<std::string> together(const Group& group, const std::string& topic,
                                           const Make& make) {
    std::string mine;
    try {
      mine = message("+", make());
    } catch (const std::exception& error) {
      mine = message("-", error.what());
    }
    auto all = exchange(group, topic, mine);
    if (mine[0] == '-') throw Error(mine.substr(1));
    for (int rank = 0; rank < group.size; ++rank) {
      if (all[rank][0] == '-')
        throw Error(message("rank ", group.label(rank), ": ", all[rank].substr(1)));
      all[rank].erase(0, 1);
    }
    return all;
  }

  void spread(const std::string& reason) noexcept {
    if (local_) local_->abort(reason);
    if (between_) between_->abort(reason);
    mailbox_->abort(reason);
  }
  // A rank that waits for the other hosts does not see what happens in its own, and
  // the other way round: its leader tells both.
  void watch() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, std::chrono::milliseconds(50), [&] { return stop_; })) {
      const std::string reason = broken();
      if (reason.empty()) continue;
      spread(reason);
      return;
    }
  }

  // The phases of a call have deadlines of their own, so that who is late is found
  // where it is late, and the others hear its name instead of running out of time too.
  struct Phases {
    Call inward, across, outward;
    explicit Phases(const Call& call) : inward(call), across(call), outward(call) {
      const auto left = call.deadline - Clock::now();
      const auto part = std::min<Clock::duration>(left / 8, std::chrono::milliseconds(400));
      if (part.count() <= 0) return;
      inward.deadline -= 2 * part;
      across.deadline -= part;
    }
  };

  // Runs one collective. Whatever ends it ends it for everybody.
  template <class Body>
  void guard(const Call& call, size_t count, int root, const Body& body) {
    try {
      const Phases phases(call);
      if (call.check_all) compare(phases, count, root);
      body(phases);
    } catch (const std::exception& error) {
      spread(error.what());
      throw;
    }
  }
  // Debug: what all ranks call, whichever host they are on.
  void compare(const Phases& phases, size_t count, int root) {
    const Call& call = phases.outward;
    struct Text {
      uint64_t sequence, count;
      int64_t root, kind;
    };
    const Text own{call.sequence, count, root, static_cast<int64_t>(call.kind)};
    std::vector<Text> all(size());
    std::vector<Slice> outs;
    for (Text& text : all) outs.push_back({&text, sizeof text});
    Phases plain = phases;
    for (Call* part : {&plain.inward, &plain.across, &plain.outward}) {
      part->kind = Collective::AllGather;
      part->check_all = false;
    }
    gather_all(plain, {&own, sizeof own}, outs.data());
    const auto text = [](const Text& t) {
      return message(name_of(static_cast<Collective>(t.kind)), " #", t.sequence,
                     t.count ? message(" of ", t.count) : "",
                     t.root >= 0 ? message(", root ", t.root) : "");
    };
    for (int r = 0; r < size(); ++r)
      if (std::memcmp(&all[r], &own, sizeof own) != 0)
        throw MismatchError(message("ranks called different things: rank ", rank_, ": ",
                                    text(own), "; rank ", r, ": ", text(all[r])));
  }

  // The operation between hosts, after the one inside: factors are applied, and sums
  // are divided at the end only.
  static Reduction second(const Reduction& reduction) {
    const bool sum =
        reduction.kind == ReduceKind::Avg || reduction.kind == ReduceKind::PreMulSum;
    return sum ? Reduction{ReduceKind::Sum} : reduction;
  }
  void average(void* data, size_t count, DataType type, const Reduction& reduction) const {
    if (reduction.kind != ReduceKind::Avg) return;
    const void* sum = data;
    reduce_buffers(data, &sum, 1, count, type, reduction, size());
  }
  // The reduction of this host's ranks, to its leader; averages are not divided yet.
  void reduce_here(const Call& call, const void* in, void* out, size_t count, DataType type,
                   const Reduction& reduction) {
    Reduction inner = reduction;
    if (inner.kind == ReduceKind::Avg) inner.kind = ReduceKind::Sum;
    if (local_) local_->reduce(call, in, out, count, type, inner, 0);
    else reduce_buffers(out, &in, 1, count, type, inner, 1);
  }
  // From the leader to another rank of the host.
  void hand_over(const Call& call, const void* data, void* out, size_t bytes, int root) {
    if (root == mine_[0]) return;
    std::vector<ConstSlice> shares(mine_.size());
    shares[layout_.index[root]] = {data, bytes};
    local_->scatter(call, shares.data(), {out, rank_ == root ? bytes : 0}, 0);
  }

  void deliver(const Phases& p, const ConstSlice* ins, const Slice* outs) {
    const Place place{layout_, rank_, host_, mine_, leads_, local_.get(), between_.get()};
    hierarchical::all_to_all(place, p.inward, p.across, p.outward, ins, outs);
  }

  void gather_all(const Phases& p, ConstSlice in, const Slice* outs) {
    std::vector<Slice> here;
    for (int r : mine_) here.push_back(outs[r]);
    if (local_) local_->all_gather(p.inward, in, here.data());
    else copy(outs[rank_].data, in.data, in.bytes);
    // A host's pieces travel as one; they are put where they belong on arrival.
    std::vector<Bytes> rooms(layout_.hosts());
    std::vector<Slice> whole(layout_.hosts());
    for (int host = 0; host < layout_.hosts(); ++host) {
      std::vector<ConstSlice> pieces;
      for (int r : layout_.members[host]) {
        pieces.push_back({outs[r].data, outs[r].bytes});
        whole[host].bytes += outs[r].bytes;
      }
      whole[host].data = const_cast<void*>(joined(pieces, rooms[host], host == host_));
    }
    if (leads_)
      between_->all_gather(p.across, {whole[host_].data, whole[host_].bytes}, whole.data());
    for (int host = 0; host < layout_.hosts(); ++host) {
      if (host == host_) continue;
      if (local_) local_->broadcast(p.outward, whole[host].data, whole[host].bytes, 0);
      if (rooms[host].empty()) continue;
      const char* from = rooms[host].data();
      for (int r : layout_.members[host]) {
        copy(outs[r].data, from, outs[r].bytes);
        from += outs[r].bytes;
      }
    }
  }

  const Layout layout_;
  const int rank_, host_;
  const std::vector<int>& mine_; // this host's ranks
  const bool leads_;
  std::string name_;
  std::unique_ptr<Transport> local_;   // null where a rank is alone on its host
  std::unique_ptr<Transport> between_; // of leaders only
  std::unique_ptr<tcp::Mailbox> mailbox_;
  AnyReceives any_;
  bool turn_ = false;
  std::mutex mutex_; // of stop_
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread watch_;
};

} // namespace

std::unique_ptr<Transport> make_hierarchical_transport(const Group& group,
                                                       const TransportFactory& between) {
  return std::make_unique<Hierarchical>(group, between);
}

} // namespace xpu_lite::ccl
