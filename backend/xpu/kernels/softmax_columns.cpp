// Softmax, log-softmax and their backward over a dimension that is not the last, where rows
// are long: several rows at a time from end to end, see the streams of reduce.h. A first
// walk finds what each column's elements have in common, a second one writes the result.

#include "backend/xpu/kernels/lanes.h"
#include "backend/xpu/kernels/softmax_args.h"
#include "backend/xpu/kernels/vector_math.h"

namespace {

using xpu_lite::xpu::SoftmaxArgs;
using xpu_lite::xpu::SoftmaxStage;

constexpr int kRows = 8; // at a time

template <class A>
struct Pair {
  A first, second;
};

// Greatest element, and the sum of e^(x - greatest). Not-a-number reaches the sum alone.
template <class T>
struct Forward {
  using A = xk::acc_t<T>;
  const T* in;
  T* out;
  int log;
  Forward(const SoftmaxArgs& a)
      : in(static_cast<const T*>(a.in)), out(static_cast<T*>(a.out)), log(a.log) {}

  static A larger(A a, A b) { return b > a ? b : a; }
  // What is subtracted: anything finite where all are -infinity, so that the sum is 0.
  static A base(A most) { return most == -std::numeric_limits<A>::infinity() ? A{0} : most; }
  Pair<A> none() const { return {-std::numeric_limits<A>::infinity(), A{0}}; }
  template <int N>
  XK_INLINE Pair<A> add(Pair<A> p, int64_t at, int64_t stride) const {
    A x[N], most = p.first;
#pragma unroll
    for (int i = 0; i < N; ++i) most = larger(most, x[i] = xk::widen(in[at + i * stride]));
    const A shift = base(most);
    A sum = p.second * xk::exp_of_negative(p.first - shift);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += xk::exp_of_negative(x[i] - shift);
    return {most, sum};
  }
  XK_INLINE Pair<A> join(Pair<A> p, Pair<A> q) const {
    const A most = larger(p.first, q.first), shift = base(most);
    return {most, p.second * xk::exp_of_negative(p.first - shift) +
                      q.second * xk::exp_of_negative(q.first - shift)};
  }
  Pair<A> done(Pair<A> p) const {
    return {p.first, log ? sycl::log(p.second) : A{1} / p.second};
  }
  XK_INLINE void write(Pair<A> p, int64_t at) const {
    const A x = xk::widen(in[at]) - p.first;
    out[at] = xk::narrow<T>(log ? x - p.second : xk::exp_of_negative(x) * p.second);
  }
};

// The sum of grad * out, or of grad for the logarithm.
template <class T>
struct Backward {
  using A = xk::acc_t<T>;
  const T *y, *grad;
  T* out;
  int log;
  Backward(const SoftmaxArgs& a)
      : y(static_cast<const T*>(a.in)), grad(static_cast<const T*>(a.grad)),
        out(static_cast<T*>(a.out)), log(a.log) {}

  Pair<A> none() const { return {A{0}, A{0}}; }
  template <int N>
  XK_INLINE Pair<A> add(Pair<A> p, int64_t at, int64_t stride) const {
    A sum = 0;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const A g = xk::widen(grad[at + i * stride]);
      sum += log ? g : g * xk::widen(y[at + i * stride]);
    }
    return {p.first + sum, A{0}};
  }
  XK_INLINE Pair<A> join(Pair<A> p, Pair<A> q) const { return {p.first + q.first, A{0}}; }
  Pair<A> done(Pair<A> p) const { return p; }
  XK_INLINE void write(Pair<A> p, int64_t at) const {
    const A g = xk::widen(grad[at]), v = xk::widen(y[at]);
    out[at] = xk::narrow<T>(log ? g - sycl::exp(v) * p.first : (g - p.first) * v);
  }
};

// The pairs of the columns, for each part.
template <class A>
struct Pairs {
  A* numbers;
  int64_t columns, splits;
  Pairs(const SoftmaxArgs& a)
      : numbers(static_cast<A*>(a.partial)), columns(a.outer * a.inner), splits(a.splits) {}
  XK_INLINE Pair<A> get(int64_t split, int64_t column) const {
    const int64_t i = split * columns + column;
    return {numbers[i], numbers[splits * columns + i]};
  }
  XK_INLINE void put(int64_t split, int64_t column, Pair<A> p) const {
    const int64_t i = split * columns + column;
    numbers[i] = p.first, numbers[splits * columns + i] = p.second;
  }
};

template <int N, class Op, class A>
XK_INLINE inline void add_rows(const xk::Lanes& lanes, const Op& op, const Pairs<A>& pairs,
                               int64_t split, int64_t column_, int64_t at_, int64_t stride,
                               int64_t n) {
  const int64_t column = lanes.same(column_), at = lanes.same(at_);
  lanes.each(n, [&](int64_t c) XK_INLINE {
    pairs.put(split, column + c,
              op.template add<N>(pairs.get(split, column + c), at + c, stride));
  });
}

template <class Op>
inline void walk(const SoftmaxArgs& a) {
  using A = typename Op::A;
  const xk::Lanes lanes;
  const Op op(a);
  const Pairs<A> pairs(a);
  if (a.stage == SoftmaxStage::Finish) {
    const int64_t blocks = (pairs.columns + lanes.width - 1) / lanes.width;
    lanes.each_task(blocks, [&](int64_t t) XK_INLINE {
      const int64_t c = t * lanes.width + lanes.lane;
      if (c >= pairs.columns) return;
      Pair<A> p = pairs.get(0, c);
      for (int64_t s = 1; s < a.splits; ++s) p = op.join(p, pairs.get(s, c));
      pairs.put(0, c, op.done(p));
    });
    return;
  }
  const bool whole = a.stage == SoftmaxStage::Whole;
  const int64_t blocks = (a.inner + a.block - 1) / a.block;
  lanes.each_task(a.outer * a.splits * blocks, [&](int64_t t) XK_INLINE {
    // Each is the same in all lanes, which the compiler must know to make plain loops.
    const int64_t part = lanes.same(t / blocks), first = lanes.same((t - part * blocks) * a.block);
    const int64_t outer = lanes.same(part / a.splits), split = lanes.same(part - outer * a.splits);
    const int64_t n = lanes.same(sycl::min(a.block, a.inner - first));
    const int64_t column = lanes.same(outer * a.inner + first);
    const int64_t begin = lanes.same(split * a.rows);
    const int64_t end = lanes.same(sycl::min(begin + a.rows, a.length));
    const int64_t at = outer * a.length * a.inner + first;
    if (a.stage != SoftmaxStage::Apply) {
      lanes.each(n, [&](int64_t c) XK_INLINE { pairs.put(split, column + c, op.none()); });
      int64_t r = begin;
      for (; r + kRows <= end; r += kRows)
        add_rows<kRows>(lanes, op, pairs, split, column, at + r * a.inner, a.inner, n);
      for (; r < end; ++r)
        add_rows<1>(lanes, op, pairs, split, column, at + r * a.inner, a.inner, n);
      if (!whole) return;
      lanes.each(n, [&](int64_t c) XK_INLINE {
        pairs.put(split, column + c, op.done(pairs.get(split, column + c)));
      });
    }
    for (int64_t r = begin; r < end; ++r) {
      const int64_t row = lanes.same(at + r * a.inner);
      lanes.each(n, [&](int64_t c) XK_INLINE { op.write(pairs.get(0, column + c), row + c); });
    }
  });
}

} // namespace

#define XK_SOFTMAX(suffix, T)                                                       \
  XK(softmax_streams_##suffix, SoftmaxArgs) { walk<Forward<T>>(args); }             \
  XK(softmax_backward_streams_##suffix, SoftmaxArgs) { walk<Backward<T>>(args); }

XK_SOFTMAX(f32, float)
XK_SOFTMAX(f64, double)
XK_SOFTMAX(f16, xk::f16)
XK_SOFTMAX(bf16, xk::bf16)
