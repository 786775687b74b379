#pragma once

// Any collective from one struct, with buffers of its own and a check of its result:
// for tests that care about what happens around a call.

#include <vector>

#include "tests/cpp/ccl_support.h"

namespace xpu_lite::ccl::testing {

inline const std::vector<Collective> kCollectives = {
    Collective::AllReduce, Collective::Reduce,        Collective::Broadcast,
    Collective::AllGather, Collective::Gather,        Collective::Scatter,
    Collective::AllToAll,  Collective::ReduceScatter, Collective::Barrier};

struct Params {
  Collective kind = Collective::AllReduce;
  uint64_t sequence = 1;
  size_t count = 100; // of elements: of each rank's piece, where there are pieces
  std::chrono::milliseconds limit = seconds(60);
  DataType type = DataType::Float32; // of four bytes
  Reduction reduction = {};
  int root = 0;
  bool check_all = false;
  bool check_result = true; // sums of float32 only
};

// Rank r has r + 1 everywhere, so a sum is n (n + 1) / 2, and a piece says whose it is.
inline void run_collective(Transport& transport, const Params& p) {
  const int rank = transport.rank(), n = transport.size();
  const Call call{p.kind, p.sequence, after(p.limit), p.check_all};
  const size_t bytes = p.count * sizeof(float);
  std::vector<float> in(p.count * n, rank + 1.f), out(p.count * n, -1.f);
  std::vector<const void*> ins(n);
  std::vector<size_t> counts(n, p.count);
  std::vector<ConstSlice> pieces(n);
  std::vector<Slice> places(n);
  for (int r = 0; r < n; ++r) {
    ins[r] = in.data() + r * p.count;
    pieces[r] = {ins[r], bytes};
    places[r] = {out.data() + r * p.count, bytes};
  }
  const float sum = n * (n + 1) / 2.f;
  // out[r * count ...] of these pieces has these values
  std::vector<float> expected;
  switch (p.kind) {
    case Collective::AllReduce:
      transport.all_reduce(call, in.data(), out.data(), p.count, p.type, p.reduction);
      expected = {sum};
      break;
    case Collective::Reduce:
      transport.reduce(call, in.data(), out.data(), p.count, p.type, p.reduction, p.root);
      if (rank == p.root) expected = {sum};
      break;
    case Collective::Broadcast:
      if (rank == p.root) std::fill_n(out.data(), p.count, rank + 1.f);
      transport.broadcast(call, out.data(), bytes, p.root);
      expected = {p.root + 1.f};
      break;
    case Collective::AllGather:
      transport.all_gather(call, pieces[0], places.data());
      for (int r = 0; r < n; ++r) expected.push_back(r + 1.f);
      break;
    case Collective::Gather:
      transport.gather(call, pieces[0], rank == p.root ? places.data() : nullptr, p.root);
      if (rank == p.root)
        for (int r = 0; r < n; ++r) expected.push_back(r + 1.f);
      break;
    case Collective::Scatter:
      transport.scatter(call, rank == p.root ? pieces.data() : nullptr, places[0], p.root);
      expected = {p.root + 1.f};
      break;
    case Collective::ReduceScatter:
      transport.reduce_scatter(call, ins.data(), counts.data(), out.data(), p.type, p.reduction);
      expected = {sum};
      break;
    case Collective::AllToAll:
      transport.all_to_all(call, pieces.data(), places.data());
      for (int r = 0; r < n; ++r) expected.push_back(r + 1.f);
      break;
    default: transport.barrier(call);
  }
  if (!p.check_result) return;
  for (size_t piece = 0; piece < expected.size(); ++piece)
    for (size_t i = 0; i < p.count; ++i)
      if (out[piece * p.count + i] != expected[piece])
        throw Error(message("wrong result of ", name_of(p.kind), " on rank ", rank, ": piece ",
                            piece, "[", i, "] is ", out[piece * p.count + i], ", not ",
                            expected[piece]));
}

} // namespace xpu_lite::ccl::testing
