// Every collective of the shared memory transport: values for all element types and
// sizes on both sides of each switch of algorithm, with 1 to 5 ranks, in place and not,
// aligned and not, even and uneven.

#include <algorithm>
#include <cstring>
#include <numeric>

#include "backend/ccl/kernels/reduce.h"
#include "backend/ccl/transport.h"
#include "ccl_support.h"

namespace xpu_lite::ccl {
namespace {

using testing::expect_ranks;
using testing::Ranks;
using Bytes = std::vector<uint8_t>;

constexpr DataType kTypes[] = {
    DataType::Bool, DataType::UInt8, DataType::Int8, DataType::UInt16, DataType::Int16,
    DataType::UInt32, DataType::Int32, DataType::UInt64, DataType::Int64, DataType::Float16,
    DataType::BFloat16, DataType::Float32, DataType::Float64, DataType::ComplexHalf,
    DataType::ComplexFloat, DataType::ComplexDouble, DataType::Float8_e4m3fn,
    DataType::Float8_e5m2, DataType::Float8_e4m3fnuz, DataType::Float8_e5m2fnuz,
    DataType::Float8_e8m0fnu};

// A buffer that begins `shift` bytes behind an aligned address.
struct Shifted {
  Shifted(size_t bytes, size_t shift) : storage(bytes + 64 + 16, 0xEE) {
    auto at = reinterpret_cast<uintptr_t>(storage.data());
    data = storage.data() + (64 - at % 64) % 64 + shift;
  }
  Bytes storage;
  uint8_t* data;
};

// What `rank` gives: bytes that any type can hold and that sums of ranks keep apart.
void fill(uint8_t* data, size_t bytes, int rank, uint64_t seed, DataType type = DataType::Opaque) {
  // No infinity and no NaN: exponents stay in the middle.
  const uint64_t mask = type == DataType::Opaque ? ~uint64_t{0}
                        : type == DataType::Bool ? 0x0101010101010101u
                                                 : 0x3f3f3f3f3f3f3f3fu;
  uint64_t state = seed * 1000003 + rank * 7919 + 1;
  for (size_t i = 0; i < bytes; i += 8) {
    state += 0x9e3779b97f4a7c15u;
    uint64_t word = (state ^ state >> 30) * 0xbf58476d1ce4e5b9u;
    word = (word ^ word >> 27) & mask;
    std::memcpy(data + i, &word, std::min<size_t>(8, bytes - i));
  }
}
Bytes given(size_t bytes, int rank, uint64_t seed, DataType type = DataType::Opaque) {
  Bytes data(bytes);
  fill(data.data(), bytes, rank, seed, type);
  return data;
}

// All ranks' buffers reduced in one pass: cutting it into pieces may not change a bit.
Bytes reduced(int n, size_t count, DataType type, const Reduction& reduction, uint64_t seed) {
  const size_t bytes = count * size_of(type);
  std::vector<Bytes> inputs;
  std::vector<const void*> pointers;
  for (int rank = 0; rank < n; ++rank) inputs.push_back(given(bytes, rank, seed, type));
  for (const Bytes& input : inputs) pointers.push_back(input.data());
  Bytes out(bytes);
  reduce_buffers(out.data(), pointers.data(), n, count, type, reduction, n);
  return out;
}

::testing::AssertionResult same(const uint8_t* got, const Bytes& want) {
  if (want.empty() || std::memcmp(got, want.data(), want.size()) == 0)
    return ::testing::AssertionSuccess();
  size_t at = 0;
  while (got[at] == want[at]) ++at;
  return ::testing::AssertionFailure() << "first other byte is " << at << " of " << want.size();
}

class Caller {
 public:
  explicit Caller(const Group& group, bool check_all = false)
      : transport(make_shm_transport(group)), n(group.size), rank(group.rank),
        check_all_(check_all) {}
  Call operator()(Collective kind) {
    return {kind, ++sequence_, testing::after(testing::seconds(60)), check_all_};
  }
  std::unique_ptr<Transport> transport;
  const int n, rank;

 private:
  uint64_t sequence_ = 0;
  bool check_all_;
};

void check_all_reduce(Caller& call, size_t count, DataType type, Reduction reduction,
                      size_t shift, bool in_place) {
  const size_t bytes = count * size_of(type);
  Shifted in(bytes, shift), out(bytes, shift);
  fill(in.data, bytes, call.rank, count, type);
  uint8_t* to = in_place ? in.data : out.data;
  call.transport->all_reduce(call(Collective::AllReduce), in.data, to, count, type, reduction);
  EXPECT_TRUE(same(to, reduced(call.n, count, type, reduction, count)))
      << "all_reduce of " << count << " " << name_of(type) << " on rank " << call.rank;
}

void check_reduce(Caller& call, size_t count, DataType type, int root, bool in_place) {
  const size_t bytes = count * size_of(type);
  Bytes in = given(bytes, call.rank, count, type), out(bytes);
  void* to = call.rank == root ? (in_place ? in.data() : out.data()) : nullptr;
  call.transport->reduce(call(Collective::Reduce), in.data(), to, count, type, {}, root);
  if (call.rank == root)
    EXPECT_TRUE(same(static_cast<uint8_t*>(to), reduced(call.n, count, type, {}, count)))
        << "reduce of " << count << " to " << root;
  else
    EXPECT_TRUE(same(in.data(), given(bytes, call.rank, count, type)));
}

void check_broadcast(Caller& call, size_t bytes, int root) {
  Bytes data = given(bytes, call.rank, bytes);
  call.transport->broadcast(call(Collective::Broadcast), data.data(), bytes, root);
  EXPECT_TRUE(same(data.data(), given(bytes, root, bytes))) << "broadcast of " << bytes;
}

// Rank r's size: all the same, or growing from 0.
size_t size_for(int r, size_t bytes, bool uneven) { return uneven ? bytes * r + (r > 0) : bytes; }

void check_all_gather(Caller& call, size_t bytes, bool uneven, bool in_place) {
  std::vector<Bytes> outs;
  std::vector<Slice> slices;
  for (int r = 0; r < call.n; ++r) outs.emplace_back(size_for(r, bytes, uneven));
  for (Bytes& out : outs) slices.push_back({out.data(), out.size()});
  Bytes in = given(size_for(call.rank, bytes, uneven), call.rank, bytes);
  if (in_place) outs[call.rank] = in;
  for (int r = 0; r < call.n; ++r) slices[r].data = outs[r].data();
  call.transport->all_gather(call(Collective::AllGather),
                             {in_place ? outs[call.rank].data() : in.data(), in.size()},
                             slices.data());
  for (int r = 0; r < call.n; ++r)
    EXPECT_TRUE(same(outs[r].data(), given(outs[r].size(), r, bytes)))
        << "all_gather, from " << r << " of " << outs[r].size();
}

void check_gather(Caller& call, size_t bytes, bool uneven, int root) {
  std::vector<Bytes> outs;
  std::vector<Slice> slices;
  for (int r = 0; r < call.n; ++r) outs.emplace_back(size_for(r, bytes, uneven));
  for (Bytes& out : outs) slices.push_back({out.data(), out.size()});
  const Bytes in = given(size_for(call.rank, bytes, uneven), call.rank, bytes);
  call.transport->gather(call(Collective::Gather), {in.data(), in.size()},
                         call.rank == root ? slices.data() : nullptr, root);
  for (int r = 0; r < call.n && call.rank == root; ++r)
    EXPECT_TRUE(same(outs[r].data(), given(outs[r].size(), r, bytes)))
        << "gather, from " << r << " of " << outs[r].size();
}

void check_scatter(Caller& call, size_t bytes, bool uneven, int root) {
  std::vector<Bytes> ins;
  std::vector<ConstSlice> slices;
  for (int r = 0; r < call.n; ++r) ins.push_back(given(size_for(r, bytes, uneven), r, bytes));
  for (const Bytes& in : ins) slices.push_back({in.data(), in.size()});
  Bytes out(ins[call.rank].size());
  call.transport->scatter(call(Collective::Scatter),
                          call.rank == root ? slices.data() : nullptr, {out.data(), out.size()},
                          root);
  EXPECT_TRUE(same(out.data(), ins[call.rank])) << "scatter of " << out.size();
}

void check_reduce_scatter(Caller& call, size_t count, DataType type, bool uneven, bool in_place) {
  std::vector<size_t> counts;
  std::vector<Bytes> ins;
  std::vector<const void*> pointers;
  for (int r = 0; r < call.n; ++r) counts.push_back(size_for(r, count, uneven));
  for (int r = 0; r < call.n; ++r)
    ins.push_back(given(counts[r] * size_of(type), call.rank, count + r, type));
  for (const Bytes& in : ins) pointers.push_back(in.data());
  Bytes out(in_place ? 0 : counts[call.rank] * size_of(type));
  uint8_t* to = in_place ? ins[call.rank].data() : out.data();
  call.transport->reduce_scatter(call(Collective::ReduceScatter), pointers.data(), counts.data(),
                                 to, type, {});
  EXPECT_TRUE(same(to, reduced(call.n, counts[call.rank], type, {}, count + call.rank)))
      << "reduce_scatter of " << counts[call.rank];
}

void check_all_to_all(Caller& call, size_t bytes, bool uneven) {
  // From a to b: a seed and a size of their own.
  const auto size = [&](int a, int b) { return uneven ? bytes * ((a + 2 * b) % 3) + b : bytes; };
  std::vector<Bytes> ins, outs;
  std::vector<ConstSlice> from;
  std::vector<Slice> to;
  for (int r = 0; r < call.n; ++r) {
    ins.push_back(given(size(call.rank, r), call.rank, bytes + r));
    outs.emplace_back(size(r, call.rank));
  }
  for (int r = 0; r < call.n; ++r) {
    from.push_back({ins[r].data(), ins[r].size()});
    to.push_back({outs[r].data(), outs[r].size()});
  }
  call.transport->all_to_all(call(Collective::AllToAll), from.data(), to.data());
  for (int r = 0; r < call.n; ++r)
    EXPECT_TRUE(same(outs[r].data(), given(outs[r].size(), r, bytes + call.rank)))
        << "all_to_all, from " << r << " of " << outs[r].size();
}

class ShmCollectives : public ::testing::TestWithParam<Ranks> {};
INSTANTIATE_TEST_SUITE_P(As, ShmCollectives,
                         ::testing::Values(Ranks::Threads, Ranks::Processes),
                         testing::ranks_name);

// Bytes around the places where the way of a message changes, and several blocks.
const size_t kSizes[] = {0, 1, 8, 24, 25, 100, 4032, 4033, 8192, 8193, 32768, 32800, 100001,
                         262144, 262145, 1000003, 2 << 20};

TEST_P(ShmCollectives, EveryCollectiveEverySize) {
  for (int n = 1; n <= 5; ++n) {
    expect_ranks(GetParam(), n, [](Group& group) {
      Caller call(group);
      for (size_t bytes : kSizes) {
        const int root = bytes % call.n;
        check_all_reduce(call, bytes / 4, DataType::Float32, {}, 0, bytes % 2);
        check_all_reduce(call, bytes, DataType::UInt8, {}, 0, false);
        check_reduce(call, bytes / 4, DataType::Float32, root, bytes % 2);
        check_broadcast(call, bytes, root);
        check_all_gather(call, bytes, false, bytes % 2);
        check_all_gather(call, bytes / 2, true, bytes % 2);
        check_gather(call, bytes, false, root);
        check_gather(call, bytes / 2, true, root);
        check_scatter(call, bytes, false, root);
        check_scatter(call, bytes / 2, true, root);
        check_reduce_scatter(call, bytes / 4, DataType::Float32, false, bytes % 2);
        check_reduce_scatter(call, bytes / 8, DataType::Int32, true, false);
        check_all_to_all(call, bytes, false);
        check_all_to_all(call, bytes / 2, true);
        call.transport->barrier(call(Collective::Barrier));
      }
    });
  }
}

// Results that go past the caches, in place and not.
TEST_P(ShmCollectives, LargeResults) {
  expect_ranks(GetParam(), 2, [](Group& group) {
    Caller call(group);
    for (bool in_place : {false, true})
      check_all_reduce(call, (4 << 20) + 77, DataType::BFloat16, {ReduceKind::Avg}, 2, in_place);
    check_all_gather(call, (4 << 20) + 5, true, false);
    check_all_to_all(call, (4 << 20) + 5, false);
  });
}

TEST_P(ShmCollectives, EveryTypeAndReduction) {
  for (int n : {1, 2, 3}) {
    expect_ranks(GetParam(), n, [](Group& group) {
      Caller call(group);
      for (DataType type : kTypes) {
        for (int kind = 0; kind <= static_cast<int>(ReduceKind::PreMulSum); ++kind) {
          const Reduction reduction{static_cast<ReduceKind>(kind), 0.5};
          try {
            check_reduction(type, reduction);
          } catch (const ValueError&) {
            EXPECT_THROW(check_all_reduce(call, 1, type, reduction, 0, false), ValueError);
            call(Collective::Barrier);
            continue;
          }
          for (size_t count : {1, 33, 70001})
            check_all_reduce(call, count, type, reduction, 0, count % 2);
        }
        check_reduce_scatter(call, 1001, type, true, false);
        check_reduce(call, 50001, type, 0, false);
      }
    });
  }
}

TEST_P(ShmCollectives, UnalignedPointers) {
  expect_ranks(GetParam(), 3, [](Group& group) {
    Caller call(group);
    for (size_t shift : {1, 2, 4, 12})
      for (size_t count : {1, 7, 1000, 30001})
        for (bool in_place : {false, true})
          check_all_reduce(call, count, DataType::BFloat16, {}, shift, in_place);
  });
}

TEST_P(ShmCollectives, WithTheDescriptionsOfAllCompared) {
  expect_ranks(GetParam(), 3, [](Group& group) {
    Caller call(group, true);
    for (size_t bytes : {0, 8, 5000, 600000}) {
      check_all_reduce(call, bytes / 4, DataType::Float32, {}, 0, true);
      check_reduce(call, bytes / 4, DataType::Float32, 1, false);
      check_broadcast(call, bytes, 2);
      check_all_gather(call, bytes, true, false);
      check_gather(call, bytes, true, 1);
      check_scatter(call, bytes, true, 1);
      check_reduce_scatter(call, bytes / 4, DataType::Float32, true, false);
      check_all_to_all(call, bytes, true);
      call.transport->barrier(call(Collective::Barrier));
    }
  });
}

TEST_P(ShmCollectives, RanksRunAheadOfEachOther) {
  expect_ranks(GetParam(), 3, [](Group& group) {
    Caller call(group);
    for (int round = 0; round < 300; ++round) {
      if (round % 3 == group.rank && round % 50 == 0)
        std::this_thread::sleep_for(testing::milliseconds(3));
      check_broadcast(call, 10 + round, round % 3);
      check_gather(call, 100, false, (round + 1) % 3);
      check_reduce(call, 20, DataType::Int32, round % 3, false);
    }
  });
}

} // namespace
} // namespace xpu_lite::ccl
