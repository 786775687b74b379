#pragma once

// The loop of every reduction: a few registers at a time, all inputs in the order of
// the ranks, one store. Loads come before the store, so `out` may be an input.

#include "backend/ccl/kernels/lanes.h"
#include "backend/ccl/kernels/tables.h"

namespace xpu_lite::ccl::XPU_LITE_LEVEL {
namespace {

// An operator has: first(x) and next(acc, x), for lanes; last(acc) when all are in.
template <class Lanes>
struct Plain {
  XPU_LITE_LANES Lanes first(Lanes x) const { return x; }
  XPU_LITE_LANES Lanes last(Lanes acc) const { return acc; }
};

template <class Lanes>
struct Sum : Plain<Lanes> {
  XPU_LITE_LANES Lanes next(Lanes acc, Lanes x) const { return acc + x; }
};

template <class Lanes>
struct Product : Plain<Lanes> {
  XPU_LITE_LANES Lanes next(Lanes acc, Lanes x) const { return acc * x; }
};

// NaN wins, as in torch.minimum and torch.maximum.
template <class Lanes>
struct Min : Plain<Lanes> {
  XPU_LITE_LANES Lanes next(Lanes acc, Lanes x) const {
    return ((acc < x) | (acc != acc)) ? acc : x;
  }
};

template <class Lanes>
struct Max : Plain<Lanes> {
  XPU_LITE_LANES Lanes next(Lanes acc, Lanes x) const {
    return ((acc > x) | (acc != acc)) ? acc : x;
  }
};

template <class Lanes>
struct BitAnd : Plain<Lanes> {
  XPU_LITE_LANES Lanes next(Lanes acc, Lanes x) const { return acc & x; }
};

template <class Lanes>
struct BitOr : Plain<Lanes> {
  XPU_LITE_LANES Lanes next(Lanes acc, Lanes x) const { return acc | x; }
};

template <class Lanes>
struct BitXor : Plain<Lanes> {
  XPU_LITE_LANES Lanes next(Lanes acc, Lanes x) const { return acc ^ x; }
};

// Avg; the same bits as a division where 1 / ranks is a power of two.
template <class Lanes>
struct SumThenScale : Sum<Lanes> {
  Lanes scale;
  XPU_LITE_LANES Lanes last(Lanes acc) const { return acc * scale; }
};

template <class Lanes>
struct SumThenDivide : Sum<Lanes> {
  Lanes divisor;
  XPU_LITE_LANES Lanes last(Lanes acc) const { return acc / divisor; }
};

template <class Lanes>
struct ScaleThenSum {
  Lanes factor;
  XPU_LITE_LANES Lanes first(Lanes x) const { return x * factor; }
  XPU_LITE_LANES Lanes next(Lanes acc, Lanes x) const { return acc + x * factor; }
  XPU_LITE_LANES Lanes last(Lanes acc) const { return acc; }
};

// N inputs; 0: as many as args.n says.
template <class E, class Op, int N>
void fold(const ReduceArgs& args, const Op op) {
  using Lanes = typename E::Lanes;
  constexpr int kStep = E::kLanes;
  constexpr int kUnroll = E::kFast ? 4 : 1;
  constexpr size_t kSize = sizeof(typename E::Memory);
  const int n = N ? N : args.n;
  const auto ins = reinterpret_cast<const char* const*>(args.ins);
  const auto out = static_cast<char*>(args.out);
  const size_t count = args.count;
  size_t i = 0;
  for (; i + kStep * kUnroll <= count; i += kStep * kUnroll) {
    Lanes acc[kUnroll];
    for (int u = 0; u < kUnroll; ++u)
      acc[u] = op.first(E::load(ins[0] + (i + u * kStep) * kSize));
    for (int r = 1; r < n; ++r)
      for (int u = 0; u < kUnroll; ++u)
        acc[u] = op.next(acc[u], E::load(ins[r] + (i + u * kStep) * kSize));
    for (int u = 0; u < kUnroll; ++u) E::store(out + (i + u * kStep) * kSize, op.last(acc[u]));
  }
  for (; i + kStep <= count; i += kStep) {
    Lanes acc = op.first(E::load(ins[0] + i * kSize));
    for (int r = 1; r < n; ++r) acc = op.next(acc, E::load(ins[r] + i * kSize));
    E::store(out + i * kSize, op.last(acc));
  }
  if (i == count) return;
  char buffer[kStep * kSize] = {};
  const size_t rest = (count - i) * kSize;
  __builtin_memcpy(buffer, ins[0] + i * kSize, rest);
  Lanes acc = op.first(E::load(buffer));
  for (int r = 1; r < n; ++r) {
    __builtin_memcpy(buffer, ins[r] + i * kSize, rest);
    acc = op.next(acc, E::load(buffer));
  }
  E::store(buffer, op.last(acc));
  __builtin_memcpy(out + i * kSize, buffer, rest);
}

template <class E, class Op>
void fold_any(const ReduceArgs& args, const Op op) {
  if constexpr (E::kFast) {
    if (args.n == 2) return fold<E, Op, 2>(args, op);
    if (args.n == 4) return fold<E, Op, 4>(args, op);
  }
  fold<E, Op, 0>(args, op);
}

// Elements whose lanes are float or double.
template <class E>
void reduce_real(const ReduceArgs& args) {
  using Lanes = typename E::Lanes;
  const bool power_of_two = (args.ranks & (args.ranks - 1)) == 0;
  switch (args.kind) {
    case ReduceKind::Sum: return fold_any<E>(args, Sum<Lanes>{});
    case ReduceKind::Product: return fold_any<E>(args, Product<Lanes>{});
    case ReduceKind::Min: return fold_any<E>(args, Min<Lanes>{});
    case ReduceKind::Max: return fold_any<E>(args, Max<Lanes>{});
    case ReduceKind::PreMulSum: {
      ScaleThenSum<Lanes> op;
      op.factor = E::all(args.factor);
      return fold_any<E>(args, op);
    }
    case ReduceKind::Avg: {
      if (args.ranks == 1) return fold_any<E>(args, Sum<Lanes>{});
      if (power_of_two) {
        SumThenScale<Lanes> op;
        op.scale = E::all(1.0 / args.ranks);
        return fold_any<E>(args, op);
      }
      SumThenDivide<Lanes> op;
      op.divisor = E::all(args.ranks);
      return fold_any<E>(args, op);
    }
    default: return; // check_reduction() has refused the rest
  }
}

} // namespace
} // namespace xpu_lite::ccl::XPU_LITE_LEVEL
