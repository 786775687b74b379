#pragma once

// Scans for any associative operator. Rows: a sub-group takes a vector of elements
// at a time, scans it by shuffles and carries the last value on; a long row is cut
// into parts for several sub-groups. Columns: a lane per column, one by one.
//
// An operator has Value, Acc, init(), get(value, index), combine(earlier, later),
// shift(sg, acc, lanes), pick(sg, acc, lane), put(args, offset, acc); and a Carry
// with add() and with(acc), what it comes to together with a later part.

#include "backend/xpu/kernels/lanes.h"
#include "backend/xpu/kernels/scan_args.h"

namespace xk {

using xpu_lite::xpu::ScanArgs;
using xpu_lite::xpu::ScanStage;

template <class T>
inline T shift_up(sycl::sub_group sg, T x, uint32_t n) {
  return sycl::shift_group_right(sg, x, n);
}
template <class T>
inline Complex<T> shift_up(sycl::sub_group sg, Complex<T> x, uint32_t n) {
  return {shift_up(sg, x.re, n), shift_up(sg, x.im, n)};
}
template <class T>
inline T pick_lane(sycl::sub_group sg, T x, uint32_t lane) {
  return sycl::group_broadcast(sg, x, lane);
}
template <class T>
inline Complex<T> pick_lane(sycl::sub_group sg, Complex<T> x, uint32_t lane) {
  return {pick_lane(sg, x.re, lane), pick_lane(sg, x.im, lane)};
}

// Vectors that are scanned side by side: none waits for another but in the last step.
constexpr int kScanVectors = 4;

template <class Op, int N>
XK_INLINE inline void scan_lanes(const Op& op, const Lanes& lanes, typename Op::Acc (&x)[N]) {
  for (int64_t d = 1; d < lanes.width; d *= 2) {
#pragma unroll
    for (int k = 0; k < N; ++k) {
      const typename Op::Acc before = op.shift(lanes.sg, x[k], static_cast<uint32_t>(d));
      if (lanes.lane >= d) x[k] = op.combine(before, x[k]);
    }
  }
}

// N vectors from `place` on, of which those before `end` count: the carry goes on behind them.
template <int N, bool kWhole, class Op>
XK_INLINE inline void scan_block(const Op& op, const Lanes& lanes, const ScanArgs& a, int64_t base,
                                 const typename Op::Value* in, int64_t place, int64_t end,
                                 typename Op::Carry& carry) {
  using Acc = typename Op::Acc;
  Acc x[N], total = op.init();
#pragma unroll
  for (int k = 0; k < N; ++k) {
    const int64_t i = place + k * lanes.width;
    x[k] = kWhole || i < end ? op.get(in[i], i) : op.init();
  }
  scan_lanes(op, lanes, x);
#pragma unroll
  for (int k = 0; k < N; ++k) {
    const Acc own = op.pick(lanes.sg, x[k], static_cast<uint32_t>(lanes.width - 1));
    if (k > 0) x[k] = op.combine(total, x[k]);
    total = k > 0 ? op.combine(total, own) : own;
  }
  if (a.stage != ScanStage::Totals) {
#pragma unroll
    for (int k = 0; k < N; ++k) {
      const int64_t i = place + k * lanes.width;
      if (kWhole || i < end) op.put(a, base + i, carry.with(op, x[k]));
    }
  }
  carry.add(op, total);
}

template <class Op>
inline void scan_rows(const ScanArgs& a) {
  const Op op(a);
  const Lanes lanes;
  using Acc = typename Op::Acc;
  auto* totals = static_cast<Acc*>(a.totals);
  lanes.each_task(a.outer * a.splits, [&](int64_t t) XK_INLINE {
    const int64_t row = a.splits == 1 ? t : lanes.same(t / a.splits);
    const int64_t split = lanes.same(t - row * a.splits), begin = lanes.same(split * a.chunk);
    const int64_t end = lanes.same(sycl::min(begin + a.chunk, a.length));
    const int64_t base = lanes.same(row * a.length);
    const auto* in = static_cast<const typename Op::Value*>(a.in) + base;
    typename Op::Carry carry(op);
    if (a.stage == ScanStage::Parts) {
      for (int64_t s = 0; s < split; ++s) carry.add(op, totals[row * a.splits + s]);
    }
    int64_t i = begin;
    const int64_t step = kScanVectors * lanes.width;
    for (; i + step <= end; i += step)
      scan_block<kScanVectors, true>(op, lanes, a, base, in, i + lanes.lane, end, carry);
    for (; i < end; i += lanes.width)
      scan_block<1, false>(op, lanes, a, base, in, i + lanes.lane, end, carry);
    if (a.stage == ScanStage::Totals && lanes.lane == 0) totals[t] = carry.with(op, op.init());
  });
}

// N vectors of neighbouring columns, so that a row is read in long stretches.
template <int N, bool kWhole, class Op>
XK_INLINE inline void scan_column_block(const Op& op, const Lanes& lanes, const ScanArgs& a,
                                        int64_t base, int64_t columns) {
  if (!kWhole && lanes.lane >= columns) return;
  const auto* in = static_cast<const typename Op::Value*>(a.in) + base;
  typename Op::Carry carry[N];
#pragma unroll
  for (auto& one : carry) one = typename Op::Carry(op);
  for (int64_t i = 0; i < a.length; ++i) {
#pragma unroll
    for (int k = 0; k < N; ++k) {
      const int64_t at = i * a.inner + k * lanes.width + lanes.lane;
      carry[k].add(op, op.get(in[at], i));
      op.put(a, base + at, carry[k].value);
    }
  }
}

template <class Op>
inline void scan_columns(const ScanArgs& a) {
  const Op op(a);
  const Lanes lanes;
  constexpr int N = sizeof(typename Op::Value) <= 2 ? 8 : 4;
  const int64_t wide = N * lanes.width, blocks = (a.inner + wide - 1) / wide;
  lanes.each_task(a.outer * blocks, [&](int64_t t) XK_INLINE {
    const int64_t o = lanes.same(t / blocks), first = lanes.same((t - o * blocks) * wide);
    const int64_t base = lanes.same(o * a.length * a.inner + first);
    const int64_t columns = lanes.same(sycl::min(wide, a.inner - first));
    if (columns == wide) return scan_column_block<N, true>(op, lanes, a, base, columns);
    for (int64_t c = 0; c < columns; c += lanes.width)
      scan_column_block<1, false>(op, lanes, a, base + c, columns - c);
  });
}

// The value so far and nothing more.
template <class Op>
struct PlainCarry {
  typename Op::Acc value;
  PlainCarry() = default;
  explicit PlainCarry(const Op& op) : value(op.init()) {}
  void add(const Op& op, typename Op::Acc x) { value = op.combine(value, x); }
  typename Op::Acc with(const Op& op, typename Op::Acc x) const { return op.combine(value, x); }
};

// A float sum with what its roundings lost: as good as a wider type, which not all
// devices have.
template <class Op>
struct ExactCarry {
  typename Op::Acc value, lost;
  ExactCarry() = default;
  explicit ExactCarry(const Op& op) : value(op.init()), lost(op.init()) {}
  void add(const Op&, typename Op::Acc x) {
    x += lost;
    const auto sum = value + x;
    const auto part = sum - value;
    const auto error = (value - (sum - part)) + (x - part);
    lost = sum - sum == 0 ? error : typename Op::Acc{0}; // infinite: nothing to keep
    value = sum;
  }
  typename Op::Acc with(const Op&, typename Op::Acc x) const { return value + (x + lost); }
};

} // namespace xk

#define XK_SCAN(name, suffix, Op)                                                     \
  XK(name##_rows_##suffix, xpu_lite::xpu::ScanArgs) { xk::scan_rows<Op>(args); }      \
  XK(name##_cols_##suffix, xpu_lite::xpu::ScanArgs) { xk::scan_columns<Op>(args); }
