#pragma once

// What a collective is, without torch: element types, reductions, the kinds of
// calls, and the description of one call that ranks compare with each other.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "backend/runtime/error.h"

namespace xpu_lite::ccl {

// `Opaque` is one byte that is moved and never reduced.
enum class DataType : uint8_t {
  Opaque,
  Bool,
  UInt8, Int8, UInt16, Int16, UInt32, Int32, UInt64, Int64,
  Float16, BFloat16, Float32, Float64,
  ComplexHalf, ComplexFloat, ComplexDouble,
  Float8_e4m3fn, Float8_e5m2, Float8_e4m3fnuz, Float8_e5m2fnuz, Float8_e8m0fnu,
};
size_t size_of(DataType type) noexcept;
const char* name_of(DataType type) noexcept;

// Avg divides the sum by the number of ranks (integers: towards zero).
// PreMulSum multiplies every input by Reduction::factor before it is added.
enum class ReduceKind : uint8_t { Sum, Avg, Product, Min, Max, BitAnd, BitOr, BitXor, PreMulSum };
const char* name_of(ReduceKind kind) noexcept;

struct Reduction {
  ReduceKind kind = ReduceKind::Sum;
  double factor = 1.0; // PreMulSum only
};
// Throws ValueError, naming both, where the pair has no meaning (Min of complex,
// bitwise operators of floating point, Avg or PreMulSum of Bool, any of Opaque).
// Bool: Sum, Max and BitOr are "or"; Product, Min and BitAnd are "and".
void check_reduction(DataType type, const Reduction& reduction);

enum class Collective : uint8_t {
  AllReduce, Reduce, Broadcast, AllGather, Gather, Scatter, ReduceScatter, AllToAll,
  Barrier, Send, Recv,
};
const char* name_of(Collective kind) noexcept; // "all_reduce"

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

// One call as its rank made it. Every rank of a group makes the same calls in
// the same order, so two descriptions with one sequence number must agree.
struct Call {
  Collective kind = Collective::Barrier;
  uint64_t sequence = 0; // of this group: 1, 2, ...; point-to-point calls count apart
  Deadline deadline = Deadline::max();
  bool check_all = false; // debug: compare the descriptions of all ranks, whoever moves data
};

// A peer did not do its part: it is gone, late, or called something else. The
// group cannot be used afterwards. `what()` names the call, its sequence number,
// its sizes, and the ranks.
class PeerError : public Error {
 public:
  using Error::Error;
};
// A PeerError whose cause is the deadline.
class TimeoutError : public PeerError {
 public:
  using PeerError::PeerError;
};
// Ranks called different things, or with different sizes or types.
class MismatchError : public PeerError {
 public:
  using PeerError::PeerError;
};

} // namespace xpu_lite::ccl
