#pragma once

// The shapes of a reduction, for any operator.
//
// Rows: a sub-group works on one output; its lanes stride over the reduced range.
// Columns: a lane works on one output (on several neighbours, so that a sub-group
// reads long stretches of memory). Few outputs with many inputs each: the range is
// split, partial results go to memory and a second launch combines them. The order
// of every addition is fixed by the geometry: no atomics, the same bits each time.
//
// Streams, where long rows are reduced to one and the device's caches look ahead along
// addresses: a sub-group takes kStreams rows at a time from end to end, and what the
// columns have come to stays in memory that it alone uses. Walking down a few columns
// would touch another page with every step.
//
// An operator has: Value (what an element is loaded as), Acc, init(), step(acc,
// value, index), combine(acc, acc), and store(args, out_offset, out2_offset, acc).
// kJoins: join(sub_group, acc), what all lanes come to together, where there is a better way than
// combining them by pairs. An Acc of several numbers (kArrays) has save(partial, n, i, acc)
// and load(partial, n, i): an array for each, so that lanes are neighbours in memory.
//
// Note [Blocked accumulation]
// A lane adds at most kBlock elements to one running value, then adds that to a
// second one: the error grows with kBlock + n / kBlock instead of n.

#include "backend/xpu/kernels/lanes.h"
#include "backend/xpu/kernels/reduce_args.h"

namespace xk {

using xpu_lite::xpu::ReduceArgs;
using xpu_lite::xpu::ReduceStage;

constexpr int64_t kBlock = 128;

// K chains side by side over i in [0, n): get(i, k) is an element, index(i, k) its
// place in the reduced range.
template <int K, class Op, class Get, class Index>
inline void fold(const Op& op, typename Op::Acc (&acc)[K], int64_t n, Get get, Index index) {
  if constexpr (Op::kOwnFold) {
    op.template fold<K>(acc, n, get);
  } else {
    for (int64_t first = 0; first < n; first += kBlock) {
      const int64_t last = sycl::min(first + kBlock, n);
      typename Op::Acc part[K];
      for (int k = 0; k < K; ++k) part[k] = op.init();
      for (int64_t i = first; i < last; ++i) {
#pragma unroll
        for (int k = 0; k < K; ++k) part[k] = op.step(part[k], get(i, k), index(i, k));
      }
      for (int k = 0; k < K; ++k) acc[k] = op.combine(acc[k], part[k]);
    }
  }
}

template <class T>
inline T exchange(sycl::sub_group sg, T x, uint32_t mask) {
  return sycl::permute_group_by_xor(sg, x, mask);
}
template <class T>
inline Complex<T> exchange(sycl::sub_group sg, Complex<T> x, uint32_t mask) {
  return {exchange(sg, x.re, mask), exchange(sg, x.im, mask)};
}

template <class Op>
inline typename Op::Acc combine_lanes(const Op& op, sycl::sub_group sg, typename Op::Acc acc) {
  if constexpr (Op::kPlainSum) {
    return sycl::reduce_over_group(sg, acc, sycl::plus<typename Op::Acc>());
  } else if constexpr (Op::kJoins) {
    return op.join(sg, acc);
  } else {
    for (uint32_t mask = sg.get_max_local_range()[0] / 2; mask > 0; mask /= 2) {
      acc = op.combine(acc, op.shuffle(sg, acc, mask));
    }
    return acc;
  }
}

// Partial result i of n.
template <class Op>
inline void put_partial(void* partial, int64_t n, int64_t i, typename Op::Acc acc) {
  if constexpr (Op::kArrays) Op::save(partial, n, i, acc);
  else static_cast<typename Op::Acc*>(partial)[i] = acc;
}
template <class Op>
inline typename Op::Acc get_partial(const void* partial, int64_t n, int64_t i) {
  if constexpr (Op::kArrays) return Op::load(partial, n, i);
  else return static_cast<const typename Op::Acc*>(partial)[i];
}

struct OutputPlace {
  int64_t in, out, out2;
};

inline OutputPlace place_of(const ReduceArgs& a, int64_t output) {
  OutputPlace p{0, 0, 0};
#pragma unroll
  for (int d = 0; d < xpu_lite::xpu::kReduceDims; ++d) {
    if (d >= a.dims) break;
    const int64_t next = d + 1 == a.dims ? 0 : output / a.size[d];
    const int64_t i = output - next * a.size[d];
    p.in += i * a.in_stride[d];
    p.out += i * a.out_stride[d];
    p.out2 += i * a.out2_stride[d];
    output = next;
  }
  return p;
}

inline int64_t outer_offset(const ReduceArgs& a, int64_t outer) {
  int64_t offset = 0;
#pragma unroll
  for (int d = 0; d < xpu_lite::xpu::kReduceDims; ++d) {
    if (d >= a.outer_dims) break;
    const int64_t next = d + 1 == a.outer_dims ? 0 : outer / a.outer_size[d];
    offset += (outer - next * a.outer_size[d]) * a.outer_stride[d];
    outer = next;
  }
  return offset;
}

// The part of the reduced range that split `s` works on.
struct Range {
  int64_t outer_begin, outer_end, inner_begin, inner_end;
};

inline Range range_of(const ReduceArgs& a, int64_t s) {
  const int64_t so = a.inner_splits == 1 ? s : s / a.inner_splits, si = s - so * a.inner_splits;
  return {so * a.outer_chunk, sycl::min((so + 1) * a.outer_chunk, a.outer),
          si * a.inner_chunk, sycl::min((si + 1) * a.inner_chunk, a.inner)};
}

template <class Op>
inline void emit(const Op& op, const ReduceArgs& a, int64_t output, int64_t split,
                 const OutputPlace& p, typename Op::Acc acc) {
  if (a.stage == ReduceStage::Partial) {
    put_partial<Op>(a.partial, a.outer_splits * a.inner_splits * a.outputs,
                    split * a.outputs + output, acc);
  } else {
    op.store(a, p.out, p.out2, acc);
  }
}

template <class Op, bool kDense>
inline typename Op::Acc row_part(const Op& op, const ReduceArgs& a,
                                 const typename Op::Value* in, const Range& r,
                                 int64_t lane, int64_t width) {
  constexpr int kChains = Op::kOwnFold || !kDense ? 1 : 4;
  const int64_t stride = kDense ? 1 : a.inner_stride;
  const int64_t n = r.inner_end - r.inner_begin;
  const int64_t wide = n / (kChains * width);
  const int64_t rest = wide * kChains * width; // of the steps of one vector each
  const int64_t steps = (n - rest) / width;
  const int64_t tail = rest + steps * width;
  typename Op::Acc acc[kChains];
  for (int k = 0; k < kChains; ++k) acc[k] = op.init();
  for (int64_t o = r.outer_begin; o < r.outer_end; ++o) {
    const typename Op::Value* row = in + outer_offset(a, o) + r.inner_begin * stride;
    fold<kChains>(
        op, acc, wide,
        [&](int64_t i, int k) { return row[((i * kChains + k) * width + lane) * stride]; },
        [&](int64_t i, int k) { return r.inner_begin + (i * kChains + k) * width + lane; });
    for (int64_t i = rest; i < tail; i += width) {
      acc[0] = op.step(acc[0], row[(i + lane) * stride], r.inner_begin + i + lane);
    }
    if (tail + lane < n) {
      acc[0] = op.step(acc[0], row[(tail + lane) * stride], r.inner_begin + tail + lane);
    }
  }
  for (int k = 1; k < kChains; ++k) acc[0] = op.combine(acc[0], acc[k]);
  return acc[0];
}

template <class Op>
inline void reduce_rows(const ReduceArgs& a) {
  const Op op(a);
  const Lanes lanes;
  const int64_t width = lanes.width, lane = lanes.lane;
  const int64_t splits = a.outer_splits * a.inner_splits;
  lanes.each_task(a.outputs * splits, [&](int64_t w) {
    const int64_t output = splits == 1 ? w : w / splits, split = w - output * splits;
    const OutputPlace p = place_of(a, output);
    const Range r = range_of(a, split);
    const auto* in = static_cast<const typename Op::Value*>(a.in) + p.in;
    typename Op::Acc acc = a.inner_stride == 1 ? row_part<Op, true>(op, a, in, r, lane, width)
                                               : row_part<Op, false>(op, a, in, r, lane, width);
    acc = combine_lanes(op, lanes.sg, acc);
    if (lane == 0) emit(op, a, output, split, p, acc);
  });
}

// K neighbours per lane, `width` apart. `columns` of them are there.
template <class Op, int K, bool kDense>
inline void column_block(const Op& op, const ReduceArgs& a, const Range& r, int64_t rest,
                         int64_t first, int64_t split, int64_t lane, int64_t width) {
  const int64_t columns = a.size[0];
  const int64_t stride = kDense ? 1 : a.in_stride[0];
  const OutputPlace p = place_of(a, rest * columns);
  const auto* in = static_cast<const typename Op::Value*>(a.in) + p.in;
  typename Op::Acc acc[K];
  for (int k = 0; k < K; ++k) acc[k] = op.init();
  if (K > 1 || first + lane < columns) {
    for (int64_t o = r.outer_begin; o < r.outer_end; ++o) {
      const auto* base =
          in + outer_offset(a, o) + r.inner_begin * a.inner_stride + first * stride;
      fold<K>(
          op, acc, r.inner_end - r.inner_begin,
          [&](int64_t i, int k) { return base[i * a.inner_stride + (k * width + lane) * stride]; },
          [&](int64_t i, int) { return r.inner_begin + i; });
    }
    for (int k = 0; k < K; ++k) {
      const int64_t c = first + k * width + lane;
      emit(op, a, rest * columns + c, split,
           {0, p.out + c * a.out_stride[0], p.out2 + c * a.out2_stride[0]}, acc[k]);
    }
  }
}

template <class Op, bool kDense>
inline void column_task(const Op& op, const ReduceArgs& a, int64_t rest, int64_t block,
                        int64_t split, int64_t lane, int64_t width) {
  constexpr int K = kDense ? Op::kColumns : 1;
  const Range r = range_of(a, split);
  const int64_t first = block * Op::kColumns * width;
  const int64_t last = sycl::min(first + Op::kColumns * width, a.size[0]);
  if (K > 1 && first + K * width <= last) {
    column_block<Op, K, kDense>(op, a, r, rest, first, split, lane, width);
  } else {
    for (int64_t f = first; f < last; f += width) {
      column_block<Op, 1, kDense>(op, a, r, rest, f, split, lane, width);
    }
  }
}

constexpr int kStreams = 8; // rows at a time, see above

// The columns [0, columns) of kRows rows, from the one with this index on.
template <int kRows, class Op>
inline void stream_rows(const Op& op, const ReduceArgs& a, const Lanes& lanes,
                        int64_t from, int64_t index, int64_t columns, int64_t partials,
                        int64_t to_) {
  const auto* in = static_cast<const typename Op::Value*>(a.in) +
                   lanes.same(from + index * a.inner_stride);
  const int64_t to = lanes.same(to_);
  lanes.each(columns, [&](int64_t c) {
    typename Op::Acc part[1] = {op.init()};
    const auto get = [&](int64_t i, int) { return in[i * a.inner_stride + c]; };
    if constexpr (Op::kOwnFold) {
      op.template fold<1>(part, kRows, get);
    } else {
#pragma unroll
      for (int i = 0; i < kRows; ++i) part[0] = op.step(part[0], get(i, 0), index + i);
    }
    put_partial<Op>(a.partial, partials, to + c,
                    op.combine(get_partial<Op>(a.partial, partials, to + c), part[0]));
  });
}

template <class Op>
inline void reduce_streams(const Op& op, const ReduceArgs& a) {
  const Lanes lanes;
  const int64_t splits = a.inner_splits, partials = splits * a.outputs;
  const int64_t all = a.size[0], chunks = (all + a.stream - 1) / a.stream;
  lanes.each_task(a.outputs / all * chunks * splits, [&](int64_t w) {
    const int64_t task = w / splits, split = w - task * splits;
    const int64_t rest = task / chunks, first = (task - rest * chunks) * a.stream;
    const int64_t columns = sycl::min(a.stream, all - first);
    const int64_t to = split * a.outputs + rest * all + first;
    const Range r = range_of(a, split);
    const int64_t from = place_of(a, rest * all).in + first;
    lanes.each(columns, [&](int64_t c) {
      put_partial<Op>(a.partial, partials, to + c, op.init());
    });
    int64_t i = r.inner_begin;
    if (a.singly == 0 || Op::kOwnFold) {
      for (; i + kStreams <= r.inner_end; i += kStreams)
        stream_rows<kStreams>(op, a, lanes, from, i, columns, partials, to);
    }
    for (; i < r.inner_end; ++i)
      stream_rows<1>(op, a, lanes, from, i, columns, partials, to);
  });
}

template <class Op>
inline void finish(const Op& op, const ReduceArgs& a) {
  const Lanes lanes;
  const int64_t splits = a.outer_splits * a.inner_splits, partials = splits * a.outputs;
  const int64_t blocks = (a.outputs + lanes.width - 1) / lanes.width;
  lanes.each_task(blocks, [&](int64_t block) {
    const int64_t o = block * lanes.width + lanes.lane;
    if (o >= a.outputs) return;
    typename Op::Acc acc = get_partial<Op>(a.partial, partials, o);
    for (int64_t s = 1; s < splits; ++s)
      acc = op.combine(acc, get_partial<Op>(a.partial, partials, s * a.outputs + o));
    const OutputPlace p = place_of(a, o);
    op.store(a, p.out, p.out2, acc);
  });
}

template <class Op>
inline void reduce_columns(const ReduceArgs& a) {
  const Op op(a);
  if (a.stage == ReduceStage::Finish) return finish(op, a);
  if constexpr (is_real_v<typename Op::Value>) {
    if (a.stream > 0) return reduce_streams(op, a);
  }
  const Lanes lanes;
  const int64_t width = lanes.width, lane = lanes.lane;
  const int64_t splits = a.outer_splits * a.inner_splits;
  const int64_t blocks = (a.size[0] + Op::kColumns * width - 1) / (Op::kColumns * width);
  lanes.each_task(a.outputs / a.size[0] * blocks * splits, [&](int64_t w) {
    const int64_t task = splits == 1 ? w : w / splits, split = w - task * splits;
    const int64_t rest = task / blocks, block = task - rest * blocks;
    if (a.in_stride[0] == 1) {
      column_task<Op, true>(op, a, rest, block, split, lane, width);
    } else {
      column_task<Op, false>(op, a, rest, block, split, lane, width);
    }
  });
}

// What most operators are made of: an accumulator that is one number of type A,
// stored in the input's type or, with wide_out, as it is.
template <class T, class A>
struct NumberOp {
  using Value = T;
  using Acc = A;
  static constexpr bool kOwnFold = false;
  static constexpr bool kPlainSum = false; // combine() is + on numbers
  static constexpr bool kArrays = false, kJoins = false;
  static constexpr int kColumns = 8;

  static Acc shuffle(sycl::sub_group sg, Acc x, uint32_t mask) { return exchange(sg, x, mask); }
  static void put(const ReduceArgs& a, int64_t offset, Acc x) {
    if (a.wide_out) static_cast<Acc*>(a.out)[offset] = x;
    else static_cast<T*>(a.out)[offset] = narrow<T>(x);
  }
};

template <class T>
inline T number(const ReduceArgs& a) {
  if constexpr (std::is_same_v<T, double>) return sycl::bit_cast<double>(a.p_d);
  else return static_cast<T>(a.p_f);
}

} // namespace xk

// Both shapes of one operator for one element type.
#define XK_REDUCE(name, suffix, Op)                                             \
  XK(name##_rows_##suffix, xpu_lite::xpu::ReduceArgs) { xk::reduce_rows<Op>(args); } \
  XK(name##_cols_##suffix, xpu_lite::xpu::ReduceArgs) { xk::reduce_columns<Op>(args); }
