// Integers, with the wrapping of their type, and Bool as 0 and 1.

#include "backend/ccl/kernels/reduce_loop.h"

namespace xpu_lite::ccl::XPU_LITE_LEVEL {
namespace {

// Divides a sum that is in memory. 64-bit division has no vector form, and narrower
// ones are exact in double.
template <class T>
void divide(T* out, size_t count, int ranks) {
  for (size_t i = 0; i < count; ++i) {
    if constexpr (sizeof(T) < 8)
      out[i] = static_cast<T>(static_cast<double>(out[i]) / ranks);
    else
      out[i] = static_cast<T>(out[i] / static_cast<T>(ranks));
  }
}

// Sum, or Avg by a division that follows block by block, while the sum is in cache.
// Unsigned is its unsigned twin: overflow wraps.
template <class T, class Unsigned>
void average(const ReduceArgs& args) {
  constexpr size_t kBlock = 4096 / sizeof(T);
  constexpr int kInputs = 64;
  const char* ins[kInputs];
  const auto out = static_cast<T*>(args.out);
  for (size_t begin = 0; begin < args.count; begin += kBlock) {
    const size_t count = args.count - begin < kBlock ? args.count - begin : kBlock;
    ReduceArgs block = args;
    block.out = out + begin;
    block.count = count;
    block.ins = reinterpret_cast<const void* const*>(ins);
    // More inputs than fit: the sum so far is the first of the next round. It is
    // kept apart, because `out` may be an input that is still to come.
    T sums[kBlock];
    for (int done = 0; done < args.n;) {
      int n = 0;
      if (done > 0) ins[n++] = reinterpret_cast<const char*>(sums);
      while (n < kInputs && done < args.n)
        ins[n++] = static_cast<const char*>(args.ins[done++]) + begin * sizeof(T);
      block.n = n;
      block.out = sums;
      fold_any<Element<Unsigned>>(block, Sum<Vector<Unsigned>>{});
    }
    divide(sums, count, args.ranks);
    __builtin_memcpy(out + begin, sums, count * sizeof(T));
  }
}

// Towards zero; what does not fit becomes the nearest that does, and NaN 0.
template <class T>
XPU_LITE_LANES T cut(double value) {
  constexpr bool is_signed = static_cast<T>(-1) < static_cast<T>(0);
  constexpr int bits = 8 * static_cast<int>(sizeof(T)) - is_signed;
  constexpr double end = 2.0 * (uint64_t{1} << (bits - 1)); // 2^bits
  constexpr T largest = static_cast<T>(~uint64_t{0} >> (64 - bits));
  if (value >= end) return largest;
  if (is_signed && value < -end) return static_cast<T>(-largest - 1);
  return value > -end && (is_signed || value > -1.0) ? static_cast<T>(value) : T{0};
}

// A factor that is no integer: each product is cut, then added.
template <class T, class Unsigned>
void scale_and_cut(const ReduceArgs& args) {
  const auto at = [&args](int r, size_t i) {
    T value;
    __builtin_memcpy(&value, static_cast<const char*>(args.ins[r]) + i * sizeof(T), sizeof(T));
    return static_cast<Unsigned>(cut<T>(static_cast<double>(value) * args.factor));
  };
  for (size_t i = 0; i < args.count; ++i) {
    Unsigned sum = at(0, i);
    for (int r = 1; r < args.n; ++r) sum = static_cast<Unsigned>(sum + at(r, i));
    __builtin_memcpy(static_cast<char*>(args.out) + i * sizeof(T), &sum, sizeof(T));
  }
}

template <class T, class Unsigned>
void reduce_type(const ReduceArgs& args) {
  using E = Element<Unsigned>;
  using Lanes = Vector<Unsigned>;
  switch (args.kind) {
    case ReduceKind::Sum: return fold_any<E>(args, Sum<Lanes>{});
    case ReduceKind::Product: return fold_any<E>(args, Product<Lanes>{});
    case ReduceKind::Min: return fold_any<Element<T>>(args, Min<Vector<T>>{});
    case ReduceKind::Max: return fold_any<Element<T>>(args, Max<Vector<T>>{});
    case ReduceKind::BitAnd: return fold_any<E>(args, BitAnd<Lanes>{});
    case ReduceKind::BitOr: return fold_any<E>(args, BitOr<Lanes>{});
    case ReduceKind::BitXor: return fold_any<E>(args, BitXor<Lanes>{});
    case ReduceKind::Avg: return average<T, Unsigned>(args);
    case ReduceKind::PreMulSum: {
      const auto whole = cut<int64_t>(args.factor);
      if (static_cast<double>(whole) != args.factor) return scale_and_cut<T, Unsigned>(args);
      ScaleThenSum<Lanes> op;
      op.factor = Lanes{} + static_cast<Unsigned>(whole);
      return fold_any<E>(args, op);
    }
  }
}

void reduce_integer(const ReduceArgs& args, DataType type) {
  switch (type) {
    case DataType::UInt8: return reduce_type<uint8_t, uint8_t>(args);
    case DataType::Int8: return reduce_type<int8_t, uint8_t>(args);
    case DataType::UInt16: return reduce_type<uint16_t, uint16_t>(args);
    case DataType::Int16: return reduce_type<int16_t, uint16_t>(args);
    case DataType::UInt32: return reduce_type<uint32_t, uint32_t>(args);
    case DataType::Int32: return reduce_type<int32_t, uint32_t>(args);
    case DataType::UInt64: return reduce_type<uint64_t, uint64_t>(args);
    case DataType::Int64: return reduce_type<int64_t, uint64_t>(args);
    default: return;
  }
}

// Any byte but 0 is true.
struct Boolean : Element<uint8_t> {
  static XPU_LITE_LANES Lanes load(const void* p) {
    return bit_cast<Lanes>(load_bytes<Lanes>(p) != 0) & 1;
  }
};

void reduce_bool(const ReduceArgs& args) {
  using Lanes = Boolean::Lanes;
  switch (args.kind) {
    case ReduceKind::Sum:
    case ReduceKind::Max:
    case ReduceKind::BitOr: return fold_any<Boolean>(args, BitOr<Lanes>{});
    case ReduceKind::Product:
    case ReduceKind::Min:
    case ReduceKind::BitAnd: return fold_any<Boolean>(args, BitAnd<Lanes>{});
    case ReduceKind::BitXor: return fold_any<Boolean>(args, BitXor<Lanes>{});
    default: return;
  }
}

XPU_LITE_REGISTER_KERNEL(ccl_reduce_integer, reduce_integer);
XPU_LITE_REGISTER_KERNEL(ccl_reduce_bool, reduce_bool);

} // namespace
} // namespace xpu_lite::ccl::XPU_LITE_LEVEL
