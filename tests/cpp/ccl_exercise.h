#pragma once

// Every collective of any transport against a plain computation, with values that
// add up exactly in every type and every order.

#include <cstring>
#include <string>
#include <vector>

#include "backend/ccl/kernels/reduce.h"
#include "ccl_support.h"

namespace xpu_lite::ccl::testing {

using Bytes = std::vector<uint8_t>;

inline const std::vector<DataType> kReducible = {
    DataType::Bool, DataType::UInt8, DataType::Int8, DataType::UInt16, DataType::Int16,
    DataType::UInt32, DataType::Int32, DataType::UInt64, DataType::Int64, DataType::Float16,
    DataType::BFloat16, DataType::Float32, DataType::Float64, DataType::ComplexHalf,
    DataType::ComplexFloat, DataType::ComplexDouble, DataType::Float8_e4m3fn,
    DataType::Float8_e5m2, DataType::Float8_e4m3fnuz, DataType::Float8_e5m2fnuz};

// The bytes of the number 1.
inline Bytes one(DataType type) {
  const auto of = [](auto value) {
    Bytes bytes(sizeof value);
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
  };
  switch (type) {
    case DataType::Float16: return of(uint16_t{0x3c00});
    case DataType::BFloat16: return of(uint16_t{0x3f80});
    case DataType::Float32: return of(1.f);
    case DataType::Float64: return of(1.0);
    case DataType::ComplexHalf: return {0, 0x3c, 0, 0};
    case DataType::ComplexFloat: return of(uint64_t{0x3f800000});
    case DataType::ComplexDouble: {
      Bytes bytes = of(1.0);
      bytes.resize(16);
      return bytes;
    }
    case DataType::Float8_e4m3fn: return {0x38};
    case DataType::Float8_e5m2: return {0x3c};
    case DataType::Float8_e4m3fnuz:
    case DataType::Float8_e5m2fnuz: return {0x40};
    default: {
      Bytes bytes(size_of(type));
      bytes[0] = 1;
      return bytes;
    }
  }
}

// Zeros and ones, by rank and seed.
inline Bytes numbers(size_t count, DataType type, int rank, uint64_t seed) {
  const Bytes unit = one(type);
  Bytes data(count * unit.size());
  uint64_t state = seed * 31 + rank * 7919 + 1;
  for (size_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    if (state >> 62 & 1) std::memcpy(&data[i * unit.size()], unit.data(), unit.size());
  }
  return data;
}
inline Bytes reduced(int n, size_t count, DataType type, const Reduction& reduction,
                     uint64_t seed) {
  std::vector<Bytes> inputs;
  std::vector<const void*> pointers;
  for (int rank = 0; rank < n; ++rank) inputs.push_back(numbers(count, type, rank, seed));
  for (const Bytes& input : inputs) pointers.push_back(input.data());
  Bytes out(count * size_of(type));
  reduce_buffers(out.data(), pointers.data(), n, count, type, reduction, n);
  return out;
}

class Exercise {
 public:
  explicit Exercise(Transport& transport, bool check_all = false)
      : t_(transport), n_(transport.size()), rank_(transport.rank()), check_all_(check_all) {}

  // `count`: elements of each rank; of each pair of ranks, for pieces.
  void everything(size_t count) {
    for (DataType type : {DataType::Float32, DataType::BFloat16, DataType::Int64}) {
      all_reduce(count, type, {}, false);
      reduce(count, type, {ReduceKind::Sum});
      reduce_scatter(count, type, false);
    }
    reduce(count, DataType::Float32, {ReduceKind::Avg});
    reduce_scatter(count, DataType::Float32, true);
    for (int root = 0; root < n_; ++root) broadcast(count, root);
    for (bool uneven : {false, true}) {
      all_gather(count, uneven, false);
      all_gather(count, uneven, true);
      for (int root = 0; root < n_; ++root) gather_scatter(count, uneven, root);
      all_to_all(count, uneven);
    }
    barrier();
  }
  void every_type(size_t count) {
    for (DataType type : kReducible)
      for (ReduceKind kind : {ReduceKind::Sum, ReduceKind::Avg, ReduceKind::Product,
                              ReduceKind::Min, ReduceKind::Max, ReduceKind::BitAnd,
                              ReduceKind::BitOr, ReduceKind::BitXor, ReduceKind::PreMulSum}) {
        const Reduction reduction{kind, 2.0};
        try {
          check_reduction(type, reduction);
        } catch (const ValueError&) {
          continue;
        }
        all_reduce(count, type, reduction, true);
      }
  }

  void all_reduce(size_t count, DataType type, Reduction reduction, bool in_place) {
    Bytes in = numbers(count, type, rank_, count), out(in.size());
    uint8_t* to = in_place ? in.data() : out.data();
    t_.all_reduce(call(Collective::AllReduce), in.data(), to, count, type, reduction);
    expect("all_reduce", to, reduced(n_, count, type, reduction, count),
           message(name_of(type), " ", name_of(reduction.kind)));
  }
  void reduce(size_t count, DataType type, Reduction reduction) {
    for (int root = 0; root < n_; ++root) {
      const Bytes in = numbers(count, type, rank_, count + root);
      Bytes out(rank_ == root ? in.size() : 0);
      t_.reduce(call(Collective::Reduce), in.data(), rank_ == root ? out.data() : nullptr, count,
                type, reduction, root);
      if (rank_ == root)
        expect("reduce", out.data(), reduced(n_, count, type, reduction, count + root), "");
    }
  }
  void broadcast(size_t bytes, int root) {
    Bytes data = given(bytes, rank_, 0);
    t_.broadcast(call(Collective::Broadcast), data.data(), bytes, root);
    expect("broadcast", data.data(), given(bytes, root, 0), "");
  }
  void all_gather(size_t bytes, bool uneven, bool contiguous) {
    std::vector<Slice> slices(n_);
    std::vector<Bytes> apart(n_);
    Bytes together;
    size_t at = 0;
    for (int r = 0; r < n_; ++r) at += size_for(r, bytes, uneven);
    together.resize(at);
    at = 0;
    for (int r = 0; r < n_; ++r) {
      const size_t size = size_for(r, bytes, uneven);
      apart[r].resize(size);
      slices[r] = {contiguous ? together.data() + at : apart[r].data(), size};
      at += size;
    }
    const Bytes in = given(slices[rank_].bytes, rank_, 1);
    t_.all_gather(call(Collective::AllGather), {in.data(), in.size()}, slices.data());
    for (int r = 0; r < n_; ++r)
      expect("all_gather", slices[r].data, given(slices[r].bytes, r, 1), message("from ", r));
  }
  void gather_scatter(size_t bytes, bool uneven, int root) {
    std::vector<Bytes> pieces(n_), places(n_);
    std::vector<ConstSlice> from(n_);
    std::vector<Slice> to(n_);
    for (int r = 0; r < n_; ++r) {
      pieces[r] = given(size_for(r, bytes, uneven), r, 2);
      places[r].resize(pieces[r].size());
      from[r] = {pieces[r].data(), pieces[r].size()};
      to[r] = {places[r].data(), places[r].size()};
    }
    const bool mine = rank_ == root;
    t_.gather(call(Collective::Gather), from[rank_], mine ? to.data() : nullptr, root);
    for (int r = 0; r < n_ && mine; ++r)
      expect("gather", places[r].data(), pieces[r], message("from ", r));
    Bytes out(pieces[rank_].size());
    t_.scatter(call(Collective::Scatter), mine ? from.data() : nullptr, {out.data(), out.size()},
               root);
    expect("scatter", out.data(), pieces[rank_], "");
  }
  void reduce_scatter(size_t count, DataType type, bool uneven) {
    std::vector<size_t> counts;
    std::vector<Bytes> ins;
    std::vector<const void*> pointers;
    for (int r = 0; r < n_; ++r) {
      counts.push_back(size_for(r, count, uneven));
      ins.push_back(numbers(counts[r], type, rank_, 100 + r));
    }
    for (const Bytes& in : ins) pointers.push_back(in.data());
    Bytes out(counts[rank_] * size_of(type));
    t_.reduce_scatter(call(Collective::ReduceScatter), pointers.data(), counts.data(),
                      out.data(), type, {});
    expect("reduce_scatter", out.data(), reduced(n_, counts[rank_], type, {}, 100 + rank_), "");
  }
  void all_to_all(size_t bytes, bool uneven) {
    const auto size = [&](int a, int b) {
      return uneven ? bytes * ((a + 2 * b) % 3) + b : bytes;
    };
    std::vector<Bytes> ins, outs;
    std::vector<ConstSlice> from;
    std::vector<Slice> to;
    for (int r = 0; r < n_; ++r) {
      ins.push_back(given(size(rank_, r), rank_, 10 + r));
      outs.emplace_back(size(r, rank_));
    }
    for (int r = 0; r < n_; ++r) {
      from.push_back({ins[r].data(), ins[r].size()});
      to.push_back({outs[r].data(), outs[r].size()});
    }
    t_.all_to_all(call(Collective::AllToAll), from.data(), to.data());
    for (int r = 0; r < n_; ++r)
      expect("all_to_all", outs[r].data(), given(outs[r].size(), r, 10 + rank_),
             message("from ", r));
  }
  void barrier(std::chrono::milliseconds limit = seconds(60)) {
    t_.barrier(call(Collective::Barrier, limit));
  }

  Call call(Collective kind, std::chrono::milliseconds limit = seconds(60)) {
    return {kind, ++sequence_, after(limit), check_all_};
  }
  static Bytes given(size_t bytes, int rank, uint64_t seed) {
    Bytes data(bytes);
    uint64_t state = seed * 1000003 + rank * 7919 + 1;
    for (auto& byte : data) byte = (state = state * 6364136223846793005u + 1) >> 56;
    return data;
  }

 private:
  static size_t size_for(int r, size_t bytes, bool uneven) {
    return uneven ? bytes * r + (r > 0) : bytes;
  }
  void expect(const char* what, const void* got, const Bytes& want, const std::string& more) {
    if (want.empty() || std::memcmp(got, want.data(), want.size()) == 0) return;
    size_t at = 0;
    while (static_cast<const uint8_t*>(got)[at] == want[at]) ++at;
    throw Error(message("wrong ", what, " number ", sequence_, " on rank ", rank_, " ", more,
                        ": byte ", at, " of ", want.size()));
  }

  Transport& t_;
  const int n_, rank_;
  const bool check_all_;
  uint64_t sequence_ = 0;
};

// Drives a request to its end.
inline void finish(Transport& transport, Request& request) {
  while (!request.test()) {
    transport.progress();
    if (request.test()) break;
    transport.await_progress(std::chrono::milliseconds(50));
  }
}

} // namespace xpu_lite::ccl::testing
