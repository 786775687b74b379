// The transport between hosts. n ranks, B bytes on each:
//
//   what                           steps   bytes that a rank sends
//   any call's start               1       48 (n - 1)          everyone hears of everyone
//   small, uneven, gather, scatter 0 more  what each peer gets, once, with the start
//   all_reduce, oneCCL's own       2(n-1)  2 B (n - 1) / n     (ring; oneCCL may choose another)
//   all_reduce, composed           2       2 B (n - 1) / n     all_to_all, reduce, all_gather
//   reduce_scatter, all_to_all     1       B (n - 1) / n
//   all_gather                     n - 1   B (n - 1)
//   broadcast                      log n   B
//
// Every call starts with an exchange over the mesh: when it is done all ranks are there
// with the same call, so that oneCCL, whose calls cannot be ended, is entered only then.
// What oneCCL has no type or operation for, or would round at every step (16-bit
// floats), is composed of its all_to_all and all_gather and our own reduction.

#include <algorithm>
#include <cstring>

#include "backend/ccl/kernels/reduce.h"
#include "backend/ccl/oneccl/communicator.h"
#include "backend/ccl/tcp/mailbox.h"
#include "backend/ccl/tcp/mesh.h"

namespace xpu_lite::ccl {
namespace {

using oneccl::Comm;
using oneccl::Communicator;
using oneccl::Functions;
using oneccl::Op;
using oneccl::Type;
using tcp::Description;

constexpr size_t kDirect = 256 << 10; // bytes that a rank sends without oneCCL
constexpr size_t kBuffer = 8 << 20;   // of the communicator, each way

struct Native {
  Type type;
  int per_element; // complex numbers are two
  Op op;
};

// What oneCCL reduces exactly as reduce_buffers() does.
bool native(DataType type, ReduceKind kind, Native& how) {
  const bool sum = kind == ReduceKind::Sum || kind == ReduceKind::Avg ||
                   kind == ReduceKind::PreMulSum;
  bool integer = true;
  how.per_element = 1;
  switch (type) {
    case DataType::Int8: how.type = Type::Int8; break;
    case DataType::UInt8: how.type = Type::UInt8; break;
    case DataType::Int32: how.type = Type::Int32; break;
    case DataType::UInt32: how.type = Type::UInt32; break;
    case DataType::Int64: how.type = Type::Int64; break;
    case DataType::UInt64: how.type = Type::UInt64; break;
    case DataType::ComplexFloat: how.per_element = 2; [[fallthrough]];
    case DataType::Float32: how.type = Type::Float32; integer = false; break;
    case DataType::ComplexDouble: how.per_element = 2; [[fallthrough]];
    case DataType::Float64: how.type = Type::Float64; integer = false; break;
    default: return false;
  }
  if (sum) how.op = Op::Sum;
  else if (kind == ReduceKind::Product && how.per_element == 1) how.op = Op::Product;
  else if (kind == ReduceKind::Max && integer) how.op = Op::Max; // of floats: NaN is lost
  else if (kind == ReduceKind::Min && integer) how.op = Op::Min;
  else return false;
  return !(integer && kind == ReduceKind::PreMulSum);
}

char* at(void* base, size_t offset) { return static_cast<char*>(base) + offset; }
const char* at(const void* base, size_t offset) {
  return static_cast<const char*>(base) + offset;
}
void copy(void* to, const void* from, size_t bytes) {
  if (bytes > 0 && to != from) std::memmove(to, from, bytes);
}

Description describe_call(const Call& call, size_t count = 0, DataType type = {},
                          const Reduction& reduction = {}, int root = -1) {
  Description description;
  description.sequence = call.sequence;
  description.kind = static_cast<uint8_t>(call.kind);
  description.type = static_cast<uint8_t>(type);
  description.reduction = static_cast<uint8_t>(reduction.kind);
  description.root = root;
  description.count = count;
  description.factor = reduction.factor;
  return description;
}

class OneCclTransport final : public Transport {
 public:
  explicit OneCclTransport(const Group& group)
      : mesh_(group), mailbox_(group), name_(group.name) {}
  ~OneCclTransport() override {
    if (comm_ && !mesh_.broken().empty()) comm_->abandon();
  }

  const char* name() const noexcept override { return "oneccl"; }
  int rank() const noexcept override { return mesh_.rank(); }
  int size() const noexcept override { return mesh_.size(); }
  std::string describe() const override {
    const char* provider = std::getenv("FI_PROVIDER");
    const char* by = std::getenv("CCL_ATL_TRANSPORT");
    return message("oneCCL ", oneccl::library().version, " (", oneccl::library().path, "; ",
                   by ? by : "?", provider ? ", " : "", provider ? provider : "",
                   ") from ", kDirect >> 10, " KiB, below and point to point TCP",
                   mesh_.interface().empty() ? "" : " on ", mesh_.interface());
  }

  void all_reduce(const Call& call, const void* in, void* out, size_t count, DataType type,
                  const Reduction& reduction) override {
    check_reduction(type, reduction);
    reduce_to(call, in, out, count, type, reduction, -1);
  }
  void reduce(const Call& call, const void* in, void* out, size_t count, DataType type,
              const Reduction& reduction, int root) override {
    check_reduction(type, reduction);
    reduce_to(call, in, out, count, type, reduction, root);
  }

  void broadcast(const Call& call, void* data, size_t bytes, int root) override {
    const Description mine = describe_call(call, bytes, {}, {}, root);
    if (bytes * (size() - 1) <= kDirect) {
      std::vector<ConstSlice> sends(size());
      std::vector<Slice> recvs(size());
      if (rank() == root) sends.assign(size(), {data, bytes});
      else recvs[root] = {data, bytes};
      mesh_.exchange(call, mine, sends.data(), recvs.data());
      return;
    }
    arrive(call, mine);
    for (size_t from = 0; from < bytes; from += kBuffer) {
      const size_t n = std::min(kBuffer, bytes - from);
      if (rank() == root) copy(comm_->input(), at(data, from), n);
      run(call, [c = comm_.get(), n, root](const Functions& f, Comm& comm) {
        return f.broadcast(c->input(), c->output(), n, Type::UInt8, root, comm, nullptr);
      });
      if (rank() != root) copy(at(data, from), comm_->output(), n);
    }
  }

  void all_gather(const Call& call, ConstSlice in, const Slice* outs) override {
    const bool even = std::all_of(outs, outs + size(),
                                  [&](const Slice& out) { return out.bytes == outs[0].bytes; });
    size_t total = 0;
    for (int r = 0; r < size(); ++r) total += outs[r].bytes;
    const Description mine = describe_call(call, total);
    if (!even || outs[0].bytes * (size() - 1) <= kDirect) {
      const std::vector<ConstSlice> sends(size(), in);
      mesh_.exchange(call, mine, sends.data(), outs);
      copy(outs[rank()].data, in.data, in.bytes);
      return;
    }
    arrive(call, mine);
    const size_t step = kBuffer / size();
    for (size_t from = 0; from < in.bytes; from += step) {
      const size_t n = std::min(step, in.bytes - from);
      copy(comm_->input(), at(in.data, from), n);
      gather_parts(call, n);
      for (int r = 0; r < size(); ++r)
        copy(at(outs[r].data, from), comm_->output() + r * n, n);
    }
  }

  void gather(const Call& call, ConstSlice in, const Slice* outs, int root) override {
    std::vector<ConstSlice> sends(size());
    sends[root] = in;
    const Description mine = describe_call(call, 0, {}, {}, root);
    mesh_.exchange(call, mine, sends.data(), rank() == root ? outs : nullptr);
    if (rank() == root) copy(outs[root].data, in.data, in.bytes);
  }

  void scatter(const Call& call, const ConstSlice* ins, Slice out, int root) override {
    std::vector<Slice> recvs(size());
    recvs[root] = out;
    const Description mine = describe_call(call, 0, {}, {}, root);
    mesh_.exchange(call, mine, rank() == root ? ins : nullptr, recvs.data());
    if (rank() == root) copy(out.data, ins[root].data, out.bytes);
  }

  void reduce_scatter(const Call& call, const void* const* ins, const size_t* counts, void* out,
                      DataType type, const Reduction& reduction) override {
    check_reduction(type, reduction);
    const size_t width = size_of(type), own = counts[rank()];
    size_t total = 0;
    for (int r = 0; r < size(); ++r) total += counts[r];
    const bool even =
        std::all_of(counts, counts + size(), [&](size_t count) { return count == own; });
    const Description mine = describe_call(call, total, type, reduction);
    if (!even || total * width <= kDirect) {
      std::vector<ConstSlice> sends(size());
      for (int r = 0; r < size(); ++r) sends[r] = {ins[r], counts[r] * width};
      std::vector<char> room(own * width * size());
      std::vector<Slice> recvs(size());
      std::vector<const void*> parts(size());
      for (int r = 0; r < size(); ++r) {
        recvs[r] = {room.data() + r * own * width, own * width};
        parts[r] = r == rank() ? ins[r] : recvs[r].data;
      }
      mesh_.exchange(call, mine, sends.data(), recvs.data());
      reduce_buffers(out, parts.data(), size(), own, type, reduction, size());
      return;
    }
    arrive(call, mine);
    const size_t step = kBuffer / size() / width;
    for (size_t from = 0; from < own; from += step) {
      const size_t n = std::min(step, own - from), bytes = n * width;
      for (int r = 0; r < size(); ++r)
        copy(comm_->input() + r * bytes, at(ins[r], from * width), bytes);
      swap_parts(call, bytes);
      reduce_parts(at(out, from * width), n, type, reduction);
    }
  }

  void all_to_all(const Call& call, const ConstSlice* ins, const Slice* outs) override {
    // Sizes are known to the pairs only: whether all are equal is told with the start.
    constexpr uint64_t kUneven = ~uint64_t{0};
    const size_t bytes = ins[0].bytes;
    bool even = bytes > 0;
    for (int r = 0; r < size(); ++r)
      even = even && ins[r].bytes == bytes && outs[r].bytes == bytes;
    Description mine = describe_call(call);
    mine.note = even ? bytes : kUneven;
    const auto notes = mesh_.exchange(call, mine, nullptr, nullptr);
    const bool all_even = std::all_of(notes.begin(), notes.end(), [&](uint64_t note) {
      return note == mine.note && note != kUneven;
    });
    copy(outs[rank()].data, ins[rank()].data, std::min(ins[rank()].bytes, outs[rank()].bytes));
    if (!all_even || bytes * (size() - 1) <= kDirect) {
      mine.step = 1;
      mesh_.exchange(call, mine, ins, outs);
      return;
    }
    connect(call);
    const size_t step = kBuffer / size();
    for (size_t from = 0; from < bytes; from += step) {
      const size_t n = std::min(step, bytes - from);
      for (int r = 0; r < size(); ++r)
        copy(comm_->input() + r * n, at(ins[r].data, from), n);
      swap_parts(call, n);
      for (int r = 0; r < size(); ++r)
        if (r != rank()) copy(at(outs[r].data, from), comm_->output() + r * n, n);
    }
  }

  void barrier(const Call& call) override {
    mesh_.exchange(call, describe_call(call), nullptr, nullptr);
  }

  std::unique_ptr<Request> send(const Call& call, ConstSlice data, int to,
                                int64_t tag) override {
    mesh_.check();
    return mailbox_.send(call, data, to, tag);
  }
  std::unique_ptr<Request> recv(const Call& call, Slice data, int from, int64_t tag) override {
    mesh_.check();
    return mailbox_.recv(call, data, from, tag);
  }
  void progress() override {
    // A failure in one of the two ends the other.
    if (const std::string reason = mesh_.broken(); !reason.empty()) mailbox_.abort(reason);
    mailbox_.progress();
    if (const std::string reason = mailbox_.broken(); !reason.empty()) mesh_.abort(reason);
  }
  void await_progress(std::chrono::microseconds limit) override {
    // The mesh's alarms are looked at ten times a second.
    mailbox_.await_progress(std::min(limit, std::chrono::microseconds(100000)));
  }
  void interrupt() noexcept override { mailbox_.interrupt(); }

  void abort(const std::string& reason) noexcept override {
    mesh_.abort(reason);
    mailbox_.abort(reason);
  }
  std::string broken() const override {
    const std::string reason = mesh_.broken();
    return reason.empty() ? mailbox_.broken() : reason;
  }

 private:
  // root < 0: everyone gets the result.
  void reduce_to(const Call& call, const void* in, void* out, size_t count, DataType type,
                 const Reduction& reduction, int root) {
    const bool mine_too = root < 0 || root == rank();
    const size_t width = size_of(type), bytes = count * width;
    const Description mine = describe_call(call, count, type, reduction, root);
    if (bytes * (size() - 1) <= kDirect) {
      std::vector<ConstSlice> sends(size());
      std::vector<Slice> recvs(size());
      std::vector<const void*> parts(size());
      std::vector<char> room(mine_too ? bytes * size() : 0);
      for (int r = 0; r < size(); ++r) {
        if (root < 0 || root == r) sends[r] = {in, bytes};
        if (!mine_too) continue;
        recvs[r] = {room.data() + r * bytes, bytes};
        parts[r] = r == rank() ? in : recvs[r].data;
      }
      mesh_.exchange(call, mine, sends.data(), recvs.data());
      if (mine_too) reduce_buffers(out, parts.data(), size(), count, type, reduction, size());
      return;
    }
    arrive(call, mine);
    Native how;
    if (native(type, reduction.kind, how)) reduce_native(call, in, out, count, type, reduction, root, how);
    else reduce_composed(call, in, out, count, type, reduction, root);
  }

  void reduce_native(const Call& call, const void* in, void* out, size_t count, DataType type,
                     const Reduction& reduction, int root, const Native& how) {
    const size_t width = size_of(type), step = kBuffer / width;
    for (size_t from = 0; from < count; from += step) {
      const size_t n = std::min(step, count - from);
      const void* source = at(in, from * width);
      if (reduction.kind == ReduceKind::PreMulSum)
        reduce_buffers(comm_->input(), &source, 1, n, type, reduction, 1);
      else
        copy(comm_->input(), source, n * width);
      run(call, [c = comm_.get(), n, root, how](const Functions& f, Comm& comm) {
        const size_t numbers = n * how.per_element;
        return root < 0 ? f.all_reduce(c->input(), c->output(), numbers, how.type, how.op, comm,
                                       nullptr)
                        : f.reduce(c->input(), c->output(), numbers, how.type, how.op, root,
                                   comm, nullptr);
      });
      if (root >= 0 && root != rank()) continue;
      const void* sum = comm_->output();
      if (reduction.kind == ReduceKind::Avg)
        reduce_buffers(at(out, from * width), &sum, 1, n, type, reduction, size());
      else
        copy(at(out, from * width), sum, n * width);
    }
  }

  void reduce_composed(const Call& call, const void* in, void* out, size_t count, DataType type,
                       const Reduction& reduction, int root) {
    const size_t width = size_of(type), step = kBuffer / size() / width * size();
    for (size_t from = 0; from < count; from += step) {
      const size_t n = std::min(step, count - from);
      const size_t part = (n + size() - 1) / size(); // elements of each rank
      copy(comm_->input(), at(in, from * width), n * width);
      std::memset(comm_->input() + n * width, 0, (part * size() - n) * width);
      swap_parts(call, part * width);
      reduce_parts(comm_->input(), part, type, reduction);
      gather_parts(call, part * width);
      if (root < 0 || root == rank()) copy(at(out, from * width), comm_->output(), n * width);
    }
  }

  // Part r of the input goes to rank r; the output holds what everyone has for me.
  void swap_parts(const Call& call, size_t bytes) {
    run(call, [c = comm_.get(), bytes](const Functions& f, Comm& comm) {
      return f.all_to_all(c->input(), c->output(), bytes, Type::UInt8, comm, nullptr);
    });
  }
  void gather_parts(const Call& call, size_t bytes) {
    run(call, [c = comm_.get(), bytes](const Functions& f, Comm& comm) {
      return f.all_gather(c->input(), c->output(), bytes, Type::UInt8, comm, nullptr);
    });
  }
  void reduce_parts(void* out, size_t count, DataType type, const Reduction& reduction) {
    std::vector<const void*> parts(size());
    for (int r = 0; r < size(); ++r) parts[r] = comm_->output() + r * count * size_of(type);
    reduce_buffers(out, parts.data(), size(), count, type, reduction, size());
  }

  // Everyone is there, with the same call, and oneCCL connected.
  void arrive(const Call& call, const Description& mine) {
    mesh_.exchange(call, mine, nullptr, nullptr);
    connect(call);
  }

  // With the first call that needs it: most groups never do.
  void connect(const Call& call) {
    if (comm_) return;
    const std::string interface = mesh_.interface();
    oneccl::set_interface(interface == "lo" ? "" : interface);
    auto comm = std::make_unique<Communicator>(rank(), size(), kBuffer, kBuffer);
    oneccl::UniqueId id{};
    std::string problem;
    if (rank() == 0) {
      const int code = oneccl::library().call.get_unique_id(&id);
      if (code != 0) problem = oneccl::library().call.error_string(code);
    }
    Description mine = describe_call(call);
    mine.step = 100; // not one of the call's own
    mine.note = problem.empty();
    std::vector<ConstSlice> sends(size());
    std::vector<Slice> recvs(size());
    if (rank() == 0) sends.assign(size(), {&id, sizeof id});
    else recvs[0] = {&id, sizeof id};
    if (mesh_.exchange(call, mine, sends.data(), recvs.data())[0] == 0)
      fail(message("oneCCL does not start on rank 0", problem.empty() ? "" : ": ", problem));
    comm_ = std::move(comm);
    run(call, comm_->connect(id));
  }

  void run(const Call& call, Communicator::Work work) {
    comm_->start(std::move(work));
    mesh_.wait_for(call, comm_->done_fd());
    try {
      comm_->finish();
    } catch (const Error& error) {
      fail(message(name_of(call.kind), " #", call.sequence, " of process group '", name_,
                   "': ", error.what()));
    }
  }
  [[noreturn]] void fail(const std::string& reason) {
    abort(reason);
    throw PeerError(reason);
  }

  tcp::Mesh mesh_;
  tcp::Mailbox mailbox_;
  std::string name_;
  std::unique_ptr<Communicator> comm_;
};

} // namespace

std::unique_ptr<Transport> make_oneccl_transport(const Group& group) {
  oneccl::library();
  return std::make_unique<OneCclTransport>(group);
}

} // namespace xpu_lite::ccl
