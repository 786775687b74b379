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

template <class Op>
inline typename Op::Acc scan_lanes(const Op& op, const Lanes& lanes, typename Op::Acc x) {
  for (int64_t d = 1; d < lanes.width; d *= 2) {
    const typename Op::Acc before = op.shift(lanes.sg, x, static_cast<uint32_t>(d));
    if (lanes.lane >= d) x = op.combine(before, x);
  }
  return x;
}

template <class Op>
inline void scan_rows(const ScanArgs& a) {
  const Op op(a);
  const Lanes lanes;
  using Acc = typename Op::Acc;
  auto* totals = static_cast<Acc*>(a.totals);
  lanes.each_task(a.outer * a.splits, [&](int64_t t) {
    const int64_t row = a.splits == 1 ? t : t / a.splits, split = t - row * a.splits;
    const int64_t begin = split * a.chunk, end = sycl::min(begin + a.chunk, a.length);
    const int64_t base = row * a.length;
    const auto* in = static_cast<const typename Op::Value*>(a.in) + base;
    typename Op::Carry carry(op);
    if (a.stage == ScanStage::Parts) {
      for (int64_t s = 0; s < split; ++s) carry.add(op, totals[row * a.splits + s]);
    }
    for (int64_t i = begin; i < end; i += lanes.width) {
      const int64_t place = i + lanes.lane;
      Acc x = place < end ? op.get(in[place], place) : op.init();
      x = scan_lanes(op, lanes, x);
      if (a.stage != ScanStage::Totals && place < end) op.put(a, base + place, carry.with(op, x));
      carry.add(op, op.pick(lanes.sg, x, static_cast<uint32_t>(lanes.width - 1)));
    }
    if (a.stage == ScanStage::Totals && lanes.lane == 0) totals[t] = carry.with(op, op.init());
  });
}

template <class Op>
inline void scan_columns(const ScanArgs& a) {
  const Op op(a);
  const Lanes lanes;
  const int64_t blocks = (a.inner + lanes.width - 1) / lanes.width;
  lanes.each_task(a.outer * blocks, [&](int64_t t) {
    const int64_t o = t / blocks, first = (t - o * blocks) * lanes.width;
    if (first + lanes.lane >= a.inner) return;
    const int64_t base = o * a.length * a.inner + first + lanes.lane;
    const auto* in = static_cast<const typename Op::Value*>(a.in) + base;
    typename Op::Carry carry(op);
    for (int64_t i = 0; i < a.length; ++i) {
      const typename Op::Acc x = op.get(in[i * a.inner], i);
      carry.add(op, x);
      op.put(a, base + i * a.inner, carry.value);
    }
  });
}

// The value so far and nothing more.
template <class Op>
struct PlainCarry {
  typename Op::Acc value;
  explicit PlainCarry(const Op& op) : value(op.init()) {}
  void add(const Op& op, typename Op::Acc x) { value = op.combine(value, x); }
  typename Op::Acc with(const Op& op, typename Op::Acc x) const { return op.combine(value, x); }
};

// A float sum with what its roundings lost: as good as a wider type, which not all
// devices have.
template <class Op>
struct ExactCarry {
  typename Op::Acc value, lost;
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
