// Collectives composed of what gloo has for bytes: all-gather, all-to-all, broadcast.
// The arithmetic is ours, so every type and operator works and the result has the bits
// of the other transports.
//
// Every call begins with an all-gather of frames of fixed size: what this rank calls,
// and its data if they fit. So calls that differ are found before gloo moves anything
// (it ends the process when sizes differ), and small calls are over with it. Steps on
// the wire for n ranks: n-1 for the frames; then all_reduce 2 (n-1)/n of its bytes from
// every rank (all-to-all of chunks, all-gather of their reductions).

#include "backend/ccl/c10d/gloo_transport.h"

#include <algorithm>
#include <cstring>

#include "backend/ccl/c10d/gloo_messages.h"
#include "backend/ccl/kernels/reduce.h"

namespace xpu_lite::ccl {
namespace {

constexpr size_t kInline = 960;           // data that travel in a frame
constexpr size_t kPiece = size_t(32) << 20; // bounds the memory of an all_reduce

struct Head {
  uint64_t sequence = 0, count = 0, bytes = 0; // bytes: of this rank, they may differ
  double factor = 1;
  int32_t root = -1;
  Collective kind = Collective::Barrier;
  DataType type = DataType::Opaque;
  ReduceKind reduce = ReduceKind::Sum;
  uint8_t unused = 0;
};

bool same(const Head& a, const Head& b) {
  return a.sequence == b.sequence && a.count == b.count && a.factor == b.factor &&
      a.root == b.root && a.kind == b.kind && a.type == b.type && a.reduce == b.reduce;
}

std::string describe(const Head& h) {
  std::string text = message(name_of(h.kind), " (sequence ", h.sequence);
  if (h.count) {
    text += message(", ", h.count, " elements");
    if (h.type != DataType::Opaque) text += message(" of ", name_of(h.type));
  }
  if (!h.count && h.bytes) text += message(", ", h.bytes, " bytes");
  if (h.kind == Collective::AllReduce || h.kind == Collective::Reduce ||
      h.kind == Collective::ReduceScatter)
    text += message(", ", name_of(h.reduce));
  if (h.root >= 0) text += message(", root ", h.root);
  return text + ")";
}

class GlooTransport final : public Transport {
 public:
  GlooTransport(const Group& group, const MakeGloo& make)
      : link_(std::make_shared<GlooLink>(group, make)),
        messages_(std::make_shared<GlooMessages>(link_)) {}
  ~GlooTransport() override { messages_->stop(); }

  const char* name() const noexcept override { return "gloo"; }
  std::string describe() const override {
    return message("gloo: ", size(), " ranks, torch's own backend");
  }
  int rank() const noexcept override { return link_->rank(); }
  int size() const noexcept override { return link_->size(); }
  int label(int r) const { return link_->label(r); }

  void all_reduce(const Call& call, const void* in, void* out, size_t count, DataType type,
                  const Reduction& reduction) override {
    reduce_to(call, in, out, count, type, reduction, -1);
  }
  void reduce(const Call& call, const void* in, void* out, size_t count, DataType type,
              const Reduction& reduction, int root) override {
    reduce_to(call, in, out, count, type, reduction, root);
  }

  void broadcast(const Call& call, void* data, size_t bytes, int root) override {
    Head head{.count = bytes, .bytes = rank() == root ? bytes : 0, .root = root};
    const auto frames = meet(call, head, rank() == root ? data : nullptr);
    if (size() == 1 || bytes == 0) return;
    if (bytes > kInline) return link_->broadcast(at_, call.deadline, data, bytes, root);
    if (rank() != root) std::memcpy(data, inline_data(frames, root), bytes);
  }

  void all_gather(const Call& call, ConstSlice in, const Slice* outs) override {
    const auto frames = meet(call, {.bytes = in.bytes}, in.data);
    size_t most = 0, least = in.bytes;
    for (int r = 0; r < size(); ++r) {
      const size_t bytes = head(frames, r).bytes;
      expect(call, r, bytes, outs[r].bytes);
      most = std::max(most, bytes);
      least = std::min(least, bytes);
    }
    if (most <= kInline) {
      for (int r = 0; r < size(); ++r)
        copy(outs[r].data, inline_data(frames, r), outs[r].bytes);
    } else if (most == least) {
      gather_equal(call, in, outs);
    } else {
      copy(outs[rank()].data, in.data, in.bytes);
      for (int r = 0; r < size(); ++r)
        if (outs[r].bytes)
          link_->broadcast(at_, call.deadline, outs[r].data, outs[r].bytes, r);
    }
  }

  void gather(const Call& call, ConstSlice in, const Slice* outs, int root) override {
    const auto frames = meet(call, {.bytes = in.bytes, .root = root}, in.data);
    size_t most = 0;
    for (int r = 0; r < size(); ++r) {
      most = std::max<size_t>(most, head(frames, r).bytes);
      if (rank() == root) expect(call, r, head(frames, r).bytes, outs[r].bytes);
    }
    if (most <= kInline) {
      for (int r = 0; r < size() && rank() == root; ++r)
        copy(outs[r].data, inline_data(frames, r), outs[r].bytes);
      return;
    }
    std::vector<ConstSlice> ins(size());
    std::vector<Slice> receive(size());
    ins[root] = in;
    if (rank() == root) receive.assign(outs, outs + size());
    exchange(call, ins.data(), receive.data());
  }

  void scatter(const Call& call, const ConstSlice* ins, Slice out, int root) override {
    std::vector<uint64_t> sizes(size());
    for (int r = 0; r < size() && rank() == root; ++r) sizes[r] = ins[r].bytes;
    const auto frames = meet(call, {.root = root}, sizes);
    expect(call, root, size_for(frames, root, rank()), out.bytes);
    std::vector<ConstSlice> send(size());
    std::vector<Slice> receive(size());
    receive[root] = out;
    if (rank() == root) send.assign(ins, ins + size());
    exchange(call, send.data(), receive.data());
  }

  void reduce_scatter(const Call& call, const void* const* ins, const size_t* counts,
                      void* out, DataType type, const Reduction& reduction) override {
    check_reduction(type, reduction);
    const std::vector<uint64_t> sizes(counts, counts + size());
    const auto frames = meet(
        call, {.factor = reduction.factor, .type = type, .reduce = reduction.kind}, sizes);
    for (int r = 0; r < size(); ++r)
      for (int piece = 0; piece < size(); ++piece)
        expect(call, r, size_for(frames, r, piece), counts[piece]);
    const size_t element = size_of(type), mine = counts[rank()] * element;
    std::vector<ConstSlice> send(size());
    std::vector<Slice> receive(size());
    std::vector<char> scratch(mine * size());
    std::vector<const void*> parts(size());
    for (int r = 0; r < size(); ++r) {
      send[r] = {ins[r], counts[r] * element};
      parts[r] = scratch.data() + r * mine;
      receive[r] = {scratch.data() + r * mine, mine};
    }
    exchange(call, send.data(), receive.data());
    reduce_buffers(out, parts.data(), size(), counts[rank()], type, reduction, size());
  }

  void all_to_all(const Call& call, const ConstSlice* ins, const Slice* outs) override {
    std::vector<uint64_t> sizes(size());
    for (int r = 0; r < size(); ++r) sizes[r] = ins[r].bytes;
    const auto frames = meet(call, {}, sizes);
    for (int r = 0; r < size(); ++r)
      expect(call, r, size_for(frames, r, rank()), outs[r].bytes);
    exchange(call, ins, outs);
  }

  void barrier(const Call& call) override { meet(call, {}, nullptr); }

  std::unique_ptr<Request> send(const Call& call, ConstSlice data, int to,
                                int64_t tag) override {
    link_->check();
    return messages_->send(call, data, to, tag);
  }
  std::unique_ptr<Request> recv(const Call& call, Slice data, int from, int64_t tag) override {
    link_->check();
    return messages_->recv(call, data, from, tag);
  }
  void progress() override {} // threads of their own move the messages
  void await_progress(std::chrono::microseconds limit) override { messages_->await(limit); }
  void interrupt() noexcept override { messages_->interrupt(); }
  void abort(const std::string& reason) noexcept override {
    link_->give_up(GlooLink::Cause::Peer, reason);
    messages_->interrupt();
  }
  std::string broken() const override { return link_->broken(); }

 private:
  using Frames = std::vector<char>;
  using Sizes = std::vector<uint64_t>;

  // In a frame: the head, then this rank's data or its sizes by rank.
  size_t frame_bytes() const { return sizeof(Head) + std::max(kInline, 8 * size_t(size())); }
  Head head(const Frames& frames, int r) const {
    Head h;
    std::memcpy(&h, frames.data() + r * frame_bytes(), sizeof h);
    return h;
  }
  const char* inline_data(const Frames& frames, int r) const {
    return frames.data() + r * frame_bytes() + sizeof(Head);
  }
  uint64_t size_for(const Frames& frames, int r, int index) const {
    uint64_t value;
    std::memcpy(&value, inline_data(frames, r) + 8 * index, sizeof value);
    return value;
  }

  Frames meet(const Call& call, Head head, const Sizes& sizes) {
    return meet(call, head, sizes.data(), sizes.size() * 8);
  }
  Frames meet(const Call& call, Head head, const void* data) {
    return meet(call, head, data, head.bytes <= kInline ? head.bytes : 0);
  }
  // All ranks' frames, of one and the same call.
  Frames meet(const Call& call, Head head, const void* data, size_t bytes) {
    head.kind = call.kind;
    head.sequence = call.sequence;
    at_ = ccl::describe(head);
    link_->check();
    Frames frames(frame_bytes() * size());
    char* mine = frames.data() + rank() * frame_bytes();
    std::memcpy(mine, &head, sizeof head);
    if (data && bytes) std::memcpy(mine + sizeof head, data, bytes);
    if (size() == 1) return frames;
    link_->all_gather(at_, call.deadline, mine, frames.data(), frame_bytes());
    for (int r = 0; r < size(); ++r) {
      const Head other = this->head(frames, r);
      if (!same(other, head)) mismatch(message(at_, " on rank ", label(rank()), ", but ",
                                               ccl::describe(other), " on rank ", label(r)));
    }
    return frames;
  }
  // Rank r's size is what this rank expects; it throws on this rank and breaks the group.
  void expect(const Call& call, int r, uint64_t there, uint64_t here) {
    if (there == here) return;
    mismatch(message(name_of(call.kind), " (sequence ", call.sequence, "): rank ", label(r),
                     " gives ", there, call.kind == Collective::ReduceScatter ? " elements" : " bytes",
                     " where rank ", label(rank()), " expects ", here));
  }
  [[noreturn]] void mismatch(const std::string& reason) {
    link_->give_up(GlooLink::Cause::Mismatch, reason);
    throw MismatchError(link_->broken());
  }

  static void copy(void* to, const void* from, size_t bytes) {
    if (bytes && to != from) std::memmove(to, from, bytes);
  }

  void gather_equal(const Call& call, ConstSlice in, const Slice* outs) {
    char* base = static_cast<char*>(outs[0].data);
    bool dense = true;
    for (int r = 0; r < size(); ++r) dense &= outs[r].data == base + r * in.bytes;
    std::vector<char> scratch(dense ? 0 : in.bytes * size());
    char* all = dense ? base : scratch.data();
    link_->all_gather(at_, call.deadline, in.data, all, in.bytes);
    for (int r = 0; r < size() && !dense; ++r)
      copy(outs[r].data, all + r * in.bytes, in.bytes);
  }

  // outs[r] receives what rank r has in its ins[rank()]; all sizes are known to agree.
  void exchange(const Call& call, const ConstSlice* ins, const Slice* outs) {
    if (size() == 1) return copy(outs[0].data, ins[0].data, ins[0].bytes);
    std::vector<int64_t> give(size()), take(size());
    size_t giving = 0, taking = 0;
    for (int r = 0; r < size(); ++r) {
      giving += give[r] = static_cast<int64_t>(ins[r].bytes);
      taking += take[r] = static_cast<int64_t>(outs[r].bytes);
    }
    std::vector<char> from, to;
    const char* source = dense(ins);
    char* target = const_cast<char*>(dense(outs));
    if (!source) {
      from.resize(giving);
      source = from.data();
      for (size_t r = 0, at = 0; r < give.size(); at += give[r++])
        copy(from.data() + at, ins[r].data, ins[r].bytes);
    }
    if (!target) {
      to.resize(taking);
      target = to.data();
    }
    link_->all_to_all(at_, call.deadline, source, give, target, take);
    for (size_t r = 0, at = 0; r < take.size() && !to.empty(); at += take[r++])
      copy(outs[r].data, to.data() + at, outs[r].bytes);
  }
  // Where the pieces begin if they lie one behind the other, else null.
  template <class Piece>
  const char* dense(const Piece* pieces) const {
    const char *begin = nullptr, *end = nullptr;
    for (int r = 0; r < size(); ++r) {
      if (pieces[r].bytes == 0) continue;
      const char* data = static_cast<const char*>(pieces[r].data);
      if (!begin) begin = data;
      else if (data != end) return nullptr;
      end = data + pieces[r].bytes;
    }
    return begin;
  }

  // root < 0: every rank gets the result.
  void reduce_to(const Call& call, const void* in, void* out, size_t count, DataType type,
                 const Reduction& reduction, int root) {
    check_reduction(type, reduction);
    const size_t element = size_of(type), bytes = count * element;
    const auto frames = meet(call,
                             {.count = count, .bytes = bytes, .factor = reduction.factor,
                              .root = root, .type = type, .reduce = reduction.kind},
                             in);
    const bool wanted = root < 0 || rank() == root;
    if (size() == 1) return reduce_buffers(out, &in, 1, count, type, reduction, 1);
    if (bytes <= kInline) {
      if (!wanted) return;
      std::vector<const void*> parts(size());
      for (int r = 0; r < size(); ++r) parts[r] = inline_data(frames, r);
      return reduce_buffers(out, parts.data(), size(), count, type, reduction, size());
    }
    for (size_t done = 0; done < count;) {
      const size_t piece = std::min(count - done, kPiece / element);
      reduce_piece(call, static_cast<const char*>(in) + done * element,
                   wanted ? static_cast<char*>(out) + done * element : nullptr, piece, type,
                   reduction, root);
      done += piece;
    }
  }

  // Rank r reduces chunk r of all ranks; the chunks are then gathered.
  void reduce_piece(const Call& call, const char* in, char* out, size_t count, DataType type,
                    const Reduction& reduction, int root) {
    const size_t element = size_of(type), n = size();
    const size_t chunk = (count + n - 1) / n;
    const auto elements = [&](size_t r) {
      return std::min(count, (r + 1) * chunk) - std::min(count, r * chunk);
    };
    const size_t mine = elements(rank());
    std::vector<char> scratch(n * mine * element), reduced(chunk * element);
    std::vector<int64_t> give(n), take(n, static_cast<int64_t>(mine * element));
    std::vector<const void*> parts(n);
    for (size_t r = 0; r < n; ++r) {
      give[r] = static_cast<int64_t>(elements(r) * element);
      parts[r] = scratch.data() + r * mine * element;
    }
    link_->all_to_all(at_, call.deadline, in, give, scratch.data(), take);
    if (mine)
      reduce_buffers(reduced.data(), parts.data(), size(), mine, type, reduction, size());
    if (root < 0 && count % n == 0)
      return link_->all_gather(at_, call.deadline, reduced.data(), out, chunk * element);
    if (root < 0) {
      std::vector<char> all(n * chunk * element); // the last chunks are shorter
      link_->all_gather(at_, call.deadline, reduced.data(), all.data(), chunk * element);
      return copy(out, all.data(), count * element);
    }
    std::vector<int64_t> to_root(n), of_all(n);
    to_root[root] = static_cast<int64_t>(mine * element);
    if (rank() == root) of_all = give;
    link_->all_to_all(at_, call.deadline, reduced.data(), to_root, out, of_all);
  }

  std::shared_ptr<GlooLink> link_;
  std::shared_ptr<GlooMessages> messages_;
  std::string at_; // the collective under way, for errors
};

} // namespace

TransportFactory gloo_factory(MakeGloo make) {
  return [make = std::move(make)](const Group& group) -> std::unique_ptr<Transport> {
    return std::make_unique<GlooTransport>(group, make);
  };
}

} // namespace xpu_lite::ccl
