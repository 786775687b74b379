// Names and sizes of the vocabulary, and which reductions have a meaning.

#include "backend/ccl/types.h"

namespace xpu_lite::ccl {

size_t size_of(DataType type) noexcept {
  switch (type) {
    case DataType::Opaque:
    case DataType::Bool:
    case DataType::UInt8:
    case DataType::Int8:
    case DataType::Float8_e4m3fn:
    case DataType::Float8_e5m2:
    case DataType::Float8_e4m3fnuz:
    case DataType::Float8_e5m2fnuz:
    case DataType::Float8_e8m0fnu: return 1;
    case DataType::UInt16:
    case DataType::Int16:
    case DataType::Float16:
    case DataType::BFloat16: return 2;
    case DataType::UInt32:
    case DataType::Int32:
    case DataType::Float32:
    case DataType::ComplexHalf: return 4;
    case DataType::UInt64:
    case DataType::Int64:
    case DataType::Float64:
    case DataType::ComplexFloat: return 8;
    case DataType::ComplexDouble: return 16;
  }
  return 1;
}

const char* name_of(DataType type) noexcept {
  switch (type) {
    case DataType::Opaque: return "opaque";
    case DataType::Bool: return "bool";
    case DataType::UInt8: return "uint8";
    case DataType::Int8: return "int8";
    case DataType::UInt16: return "uint16";
    case DataType::Int16: return "int16";
    case DataType::UInt32: return "uint32";
    case DataType::Int32: return "int32";
    case DataType::UInt64: return "uint64";
    case DataType::Int64: return "int64";
    case DataType::Float16: return "float16";
    case DataType::BFloat16: return "bfloat16";
    case DataType::Float32: return "float32";
    case DataType::Float64: return "float64";
    case DataType::ComplexHalf: return "complex32";
    case DataType::ComplexFloat: return "complex64";
    case DataType::ComplexDouble: return "complex128";
    case DataType::Float8_e4m3fn: return "float8_e4m3fn";
    case DataType::Float8_e5m2: return "float8_e5m2";
    case DataType::Float8_e4m3fnuz: return "float8_e4m3fnuz";
    case DataType::Float8_e5m2fnuz: return "float8_e5m2fnuz";
    case DataType::Float8_e8m0fnu: return "float8_e8m0fnu";
  }
  return "unknown";
}

const char* name_of(ReduceKind kind) noexcept {
  switch (kind) {
    case ReduceKind::Sum: return "sum";
    case ReduceKind::Avg: return "avg";
    case ReduceKind::Product: return "product";
    case ReduceKind::Min: return "min";
    case ReduceKind::Max: return "max";
    case ReduceKind::BitAnd: return "band";
    case ReduceKind::BitOr: return "bor";
    case ReduceKind::BitXor: return "bxor";
    case ReduceKind::PreMulSum: return "premul_sum";
  }
  return "unknown";
}

const char* name_of(Collective kind) noexcept {
  switch (kind) {
    case Collective::AllReduce: return "all_reduce";
    case Collective::Reduce: return "reduce";
    case Collective::Broadcast: return "broadcast";
    case Collective::AllGather: return "all_gather";
    case Collective::Gather: return "gather";
    case Collective::Scatter: return "scatter";
    case Collective::ReduceScatter: return "reduce_scatter";
    case Collective::AllToAll: return "all_to_all";
    case Collective::Barrier: return "barrier";
    case Collective::Send: return "send";
    case Collective::Recv: return "recv";
  }
  return "unknown";
}

namespace {

enum class Family { Opaque, Bool, Integer, Real, Complex };

Family family_of(DataType type) {
  switch (type) {
    case DataType::Opaque: return Family::Opaque;
    case DataType::Bool: return Family::Bool;
    case DataType::UInt8:
    case DataType::Int8:
    case DataType::UInt16:
    case DataType::Int16:
    case DataType::UInt32:
    case DataType::Int32:
    case DataType::UInt64:
    case DataType::Int64: return Family::Integer;
    case DataType::ComplexHalf:
    case DataType::ComplexFloat:
    case DataType::ComplexDouble: return Family::Complex;
    default: return Family::Real;
  }
}

bool has_meaning(Family family, ReduceKind kind) {
  switch (kind) {
    case ReduceKind::Sum:
    case ReduceKind::Product: return family != Family::Opaque;
    case ReduceKind::Avg:
    case ReduceKind::PreMulSum: return family != Family::Opaque && family != Family::Bool;
    case ReduceKind::Min:
    case ReduceKind::Max: return family != Family::Opaque && family != Family::Complex;
    case ReduceKind::BitAnd:
    case ReduceKind::BitOr:
    case ReduceKind::BitXor: return family == Family::Bool || family == Family::Integer;
  }
  return false;
}

} // namespace

void check_reduction(DataType type, const Reduction& reduction) {
  if (has_meaning(family_of(type), reduction.kind)) return;
  throw ValueError(message("reduction '", name_of(reduction.kind), "' has no meaning for ",
                           name_of(type), " elements"));
}

} // namespace xpu_lite::ccl
