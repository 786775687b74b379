// Blocked attention: see attention.h for what it computes. One task is a block of
// queries (forward), or a block of keys with all queries that see it (backward).

#include "backend/cpu/kernels/attention.h"

#include <omp.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>

#include "backend/cpu/kernels/attention_tile.h"

namespace xpu_lite::cpu::XPU_LITE_LEVEL {
namespace {

constexpr int64_t kQueries = 72; // a multiple of both tile heights
constexpr int64_t kKeys = 128;

XPU_LITE_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
XPU_LITE_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
XPU_LITE_INLINE int64_t blocks(int64_t n, int64_t size) { return (n + size - 1) / size; }

template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();

// Memory for `threads` threads, `each` elements per thread, in lines of their own.
template <class T>
class Scratch {
 public:
  Scratch(int threads, int64_t each) : each_((each + 63) / 64 * 64) {
    data_ = static_cast<T*>(::aligned_alloc(64, static_cast<size_t>(threads * each_) * sizeof(T)));
  }
  ~Scratch() { ::free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  bool ok() const { return data_ != nullptr; }
  T* of_thread(int thread) const { return data_ + thread * each_; }

 private:
  int64_t each_;
  T* data_;
};

// Cuts named tiles off a thread's scratch, or only measures them (base null).
template <class T>
struct Cutter {
  T* base;
  int64_t used = 0;
  T* tile(int64_t rows, int64_t columns) {
    T* at = base ? base + used : nullptr;
    used += rows * columns;
    return at;
  }
};

// dst[rows, ld] = src, zero padded to `padded_rows` and ld.
template <class In, class T>
void read_tile(const AttentionView& view, int64_t b, int64_t h, int64_t first, int64_t rows,
               int64_t padded_rows, int64_t columns, T factor, T* dst, int64_t ld) {
  const In* src = static_cast<const In*>(view.data) + b * view.batch + h * view.head;
  for (int64_t i = 0; i < rows; ++i) {
    const In* row = src + (first + i) * view.row;
    T* out = dst + i * ld;
    if (view.column == 1) {
      for (int64_t d = 0; d < columns; ++d) out[d] = static_cast<T>(row[d]) * factor;
    } else {
      for (int64_t d = 0; d < columns; ++d) {
        out[d] = static_cast<T>(row[d * view.column]) * factor;
      }
    }
    for (int64_t d = columns; d < ld; ++d) out[d] = 0;
  }
  for (int64_t i = rows * ld; i < padded_rows * ld; ++i) dst[i] = 0;
}

// dst[columns, ld] = src[rows, ld_src] transposed; columns of dst past `rows` are 0
// because read_tile padded src.
template <class T>
void transpose(const T* src, int64_t ld_src, int64_t rows, int64_t columns, T* dst, int64_t ld) {
  constexpr int64_t kBlock = 16;
  for (int64_t i0 = 0; i0 < rows; i0 += kBlock) {
    for (int64_t d0 = 0; d0 < columns; d0 += kBlock) {
      const int64_t d1 = smaller(columns, d0 + kBlock);
      for (int64_t d = d0; d < d1; ++d) {
        for (int64_t i = i0; i < i0 + kBlock; ++i) dst[d * ld + i] = src[i * ld_src + d];
      }
    }
  }
}

template <class In, class T>
void write_tile(const AttentionView& view, int64_t b, int64_t h, int64_t first, int64_t rows,
                int64_t columns, const T* src, int64_t ld, T factor) {
  In* dst = static_cast<In*>(view.data) + b * view.batch + h * view.head;
  for (int64_t i = 0; i < rows; ++i) {
    In* row = dst + (first + i) * view.row;
    for (int64_t d = 0; d < columns; ++d) {
      row[d * view.column] = static_cast<In>(src[i * ld + d] * factor);
    }
  }
}

// Where a block of scores lies.
struct Block {
  int64_t b, h, q0, rows, k0, columns;
};

// scores[rows, padded(columns)] = Q K^T + bias, -inf where a key is not seen.
template <class In, class T>
void score(const AttentionShape& shape, const AttentionView& bias, const Block& at, const T* q,
           int64_t ldq, const T* kt, T* scores) {
  const int64_t n = padded(at.columns);
  product(q, ldq, int64_t{1}, kt, kKeys, scores, kKeys, at.rows, n, shape.width, false);
  for (int64_t i = 0; i < at.rows; ++i) {
    T* row = scores + i * kKeys;
    if (bias.data) {
      const In* add = static_cast<const In*>(bias.data) + at.b * bias.batch + at.h * bias.head +
                      (at.q0 + i) * bias.row + at.k0 * bias.column;
      if (bias.column == 1) {
        for (int64_t j = 0; j < at.columns; ++j) row[j] += static_cast<T>(add[j]);
      } else {
        for (int64_t j = 0; j < at.columns; ++j) row[j] += static_cast<T>(add[j * bias.column]);
      }
    }
    int64_t seen = at.columns;
    if (shape.causal) seen = larger(0, smaller(seen, at.q0 + i + 1 - at.k0));
    for (int64_t j = seen; j < n; ++j) row[j] = -kInfinity<T>;
  }
}

// How weights are dropped, in the form that apply_dropout takes.
template <class T>
struct Dropout {
  explicit Dropout(const AttentionShape& s)
      : on(s.dropout > 0),
        groups(static_cast<uint64_t>((s.keys + 3) / 4)),
        kept(static_cast<uint32_t>(
            ::fmin(::ceil((1.0 - s.dropout) * 4294967296.0), 4294967295.0))),
        factor(s.dropout >= 1 ? T(0) : static_cast<T>(1.0 / (1.0 - s.dropout))) {}
  void apply(const AttentionShape& s, const Block& at, int64_t i, T* row) const {
    const uint64_t index = static_cast<uint64_t>((at.b * s.heads + at.h) * s.queries + at.q0 + i);
    apply_dropout(row, padded(at.columns), at.k0, index, groups, s.seed, s.offset, kept, factor);
  }
  bool on;
  uint64_t groups;
  uint32_t kept;
  T factor;
};

// ---- forward ------------------------------------------------------------------

template <class In, class T>
struct ForwardTiles {
  ForwardTiles(const AttentionShape& s, T* base) {
    Cutter<T> cut{base};
    ldq = padded(s.width);
    ldv = padded(s.value_width);
    q = cut.tile(kQueries, ldq);
    k = cut.tile(kKeys, ldq);
    kt = cut.tile(padded(s.width), kKeys);
    v = cut.tile(kKeys, ldv);
    scores = cut.tile(kQueries, kKeys);
    out = cut.tile(kQueries, ldv);
    most = cut.tile(kQueries, 1);
    sum = cut.tile(kQueries, 1);
    size = cut.used;
  }
  int64_t ldq, ldv, size;
  T *q, *k, *kt, *v, *scores, *out, *most, *sum;
};

// Turns scores into weights relative to the largest score so far, and brings what
// was accumulated before to the same base.
template <class T>
void online_softmax(const Block& at, int64_t ldv, T* scores, T* out, T* most, T* sum) {
  const int64_t n = padded(at.columns);
  for (int64_t i = 0; i < at.rows; ++i) {
    T* row = scores + i * kKeys;
    const T block_most = row_max(row, n);
    const T next = block_most > most[i] ? block_most : most[i];
    if (next == -kInfinity<T>) { // no key seen yet
      for (int64_t j = 0; j < n; ++j) row[j] = 0;
      continue;
    }
    for (int64_t j = 0; j < n; ++j) row[j] = exp_negative(row[j] - next);
    const T keep = exp_negative(most[i] - next);
    if (keep != T(1)) {
      for (int64_t d = 0; d < ldv; ++d) out[i * ldv + d] *= keep;
    }
    sum[i] = sum[i] * keep + row_sum(row, n);
    most[i] = next;
  }
}

template <class In, class T>
void forward_block(const AttentionForward& p, int64_t b, int64_t h, int64_t q0,
                   const ForwardTiles<In, T>& t) {
  const AttentionShape& s = p.shape;
  const Dropout<T> dropout(s);
  const int64_t rows = smaller(kQueries, s.queries - q0);
  const int64_t kv_head = h / (s.heads / s.kv_heads);
  read_tile<In, T>(p.query, b, h, q0, rows, rows, s.width, static_cast<T>(s.scale), t.q, t.ldq);
  for (int64_t i = 0; i < rows; ++i) {
    t.most[i] = -kInfinity<T>;
    t.sum[i] = 0;
  }
  for (int64_t i = 0; i < rows * t.ldv; ++i) t.out[i] = 0;
  const int64_t last = s.causal ? smaller(s.keys, q0 + rows) : s.keys;
  for (int64_t k0 = 0; k0 < last; k0 += kKeys) {
    const Block at{b, h, q0, rows, k0, smaller(kKeys, s.keys - k0)};
    const int64_t n = padded(at.columns);
    read_tile<In, T>(p.key, b, kv_head, k0, at.columns, n, s.width, T(1), t.k, t.ldq);
    transpose(t.k, t.ldq, n, s.width, t.kt, kKeys);
    read_tile<In, T>(p.value, b, kv_head, k0, at.columns, n, s.value_width, T(1), t.v, t.ldv);
    score<In, T>(s, p.bias, at, t.q, t.ldq, t.kt, t.scores);
    online_softmax(at, t.ldv, t.scores, t.out, t.most, t.sum);
    if (dropout.on) {
      for (int64_t i = 0; i < rows; ++i) dropout.apply(s, at, i, t.scores + i * kKeys);
    }
    product(t.scores, kKeys, int64_t{1}, t.v, t.ldv, t.out, t.ldv, rows, t.ldv, at.columns, true);
  }
  T* lse = static_cast<T*>(p.logsumexp) + (b * s.heads + h) * s.queries + q0;
  for (int64_t i = 0; i < rows; ++i) {
    const bool empty = t.most[i] == -kInfinity<T>;
    const T factor = empty ? T(0) : T(1) / t.sum[i];
    for (int64_t d = 0; d < t.ldv; ++d) t.out[i * t.ldv + d] *= factor;
    lse[i] = empty ? kInfinity<T> : t.most[i] + static_cast<T>(::log(static_cast<double>(t.sum[i])));
  }
  write_tile<In, T>(p.out, b, h, q0, rows, s.value_width, t.out, t.ldv, T(1));
}

template <class In, class T>
bool forward(const AttentionForward& p) {
  const AttentionShape& s = p.shape;
  const int64_t per_head = blocks(s.queries, kQueries);
  const int64_t tasks = s.batch * s.heads * per_head;
  const int threads = static_cast<int>(smaller(omp_get_max_threads(), tasks));
  const Scratch<T> scratch(larger(threads, 1), ForwardTiles<In, T>(s, nullptr).size);
  if (!scratch.ok()) return false;
#pragma omp parallel for schedule(dynamic, 1) num_threads(larger(threads, 1))
  for (int64_t task = 0; task < tasks; ++task) {
    const ForwardTiles<In, T> tiles(s, scratch.of_thread(omp_get_thread_num()));
    const int64_t pair = task / per_head;
    forward_block<In, T>(p, pair / s.heads, pair % s.heads, task % per_head * kQueries, tiles);
  }
  return true;
}

// ---- backward -----------------------------------------------------------------

template <class In, class T>
struct BackwardTiles {
  // `queries`: rows of grad_query kept in the scratch.
  BackwardTiles(const AttentionShape& s, int64_t queries, T* base) {
    Cutter<T> cut{base};
    ldq = padded(s.width);
    ldv = padded(s.value_width);
    q = cut.tile(kQueries, ldq);
    grad_out = cut.tile(kQueries, ldv);
    k = cut.tile(kKeys, ldq);
    kt = cut.tile(padded(s.width), kKeys);
    v = cut.tile(kKeys, ldv);
    vt = cut.tile(padded(s.value_width), kKeys);
    weights = cut.tile(kQueries, kKeys);
    grads = cut.tile(kQueries, kKeys);
    factors = cut.tile(1, kKeys);
    grad_k = cut.tile(kKeys, ldq);
    grad_v = cut.tile(kKeys, ldv);
    grad_q = cut.tile(queries, ldq);
    size = cut.used;
  }
  int64_t ldq, ldv, size;
  T *q, *grad_out, *k, *kt, *v, *vt, *weights, *grads, *factors, *grad_k, *grad_v, *grad_q;
};

// Which part of the gradients a task computes: keys [k0, k1) against queries
// [q0, q1) of heads [h0, h1), which share one head of keys.
struct Part {
  int64_t b, h0, h1, q0, q1, k0, k1;
  bool keys, queries;
};

template <class In, class T>
void read_keys(const AttentionBackward& p, int64_t b, int64_t kv_head, int64_t k0,
               int64_t columns, const BackwardTiles<In, T>& t) {
  const AttentionShape& s = p.shape;
  const int64_t n = padded(columns);
  read_tile<In, T>(p.key, b, kv_head, k0, columns, n, s.width, T(1), t.k, t.ldq);
  transpose(t.k, t.ldq, n, s.width, t.kt, kKeys);
  read_tile<In, T>(p.value, b, kv_head, k0, columns, n, s.value_width, T(1), t.v, t.ldv);
  transpose(t.v, t.ldv, n, s.value_width, t.vt, kKeys);
}

// From queries and keys in the tiles: `weights` after dropout, and `grads`, the
// gradient of the scores.
template <class In, class T>
void block_gradients(const AttentionBackward& p, const Block& at, const T* delta,
                     const BackwardTiles<In, T>& t) {
  const AttentionShape& s = p.shape;
  const Dropout<T> dropout(s);
  const int64_t n = padded(at.columns);
  read_tile<In, T>(p.query, at.b, at.h, at.q0, at.rows, at.rows, s.width,
                   static_cast<T>(s.scale), t.q, t.ldq);
  read_tile<In, T>(p.grad_out, at.b, at.h, at.q0, at.rows, at.rows, s.value_width, T(1),
                   t.grad_out, t.ldv);
  score<In, T>(s, p.bias, at, t.q, t.ldq, t.kt, t.weights);
  product(t.grad_out, t.ldv, int64_t{1}, t.vt, kKeys, t.grads, kKeys, at.rows, n, s.value_width,
          false);
  const int64_t first = (at.b * s.heads + at.h) * s.queries + at.q0;
  const T* lse = static_cast<const T*>(p.logsumexp) + first;
  for (int64_t i = 0; i < at.rows; ++i) {
    T* weight = t.weights + i * kKeys;
    T* grad = t.grads + i * kKeys;
    const T base = lse[i], shift = delta[first + i];
    for (int64_t j = 0; j < n; ++j) weight[j] = exp_negative(weight[j] - base);
    if (dropout.on) {
      for (int64_t j = 0; j < n; ++j) t.factors[j] = 1;
      dropout.apply(s, at, i, t.factors);
      for (int64_t j = 0; j < n; ++j) {
        grad[j] = weight[j] * (grad[j] * t.factors[j] - shift);
        weight[j] *= t.factors[j];
      }
    } else {
      for (int64_t j = 0; j < n; ++j) grad[j] = weight[j] * (grad[j] - shift);
    }
  }
}

template <class In, class T>
void backward_part(const AttentionBackward& p, const Part& part, const T* delta,
                   const BackwardTiles<In, T>& t) {
  const AttentionShape& s = p.shape;
  const int64_t kv_head = part.h0 / (s.heads / s.kv_heads);
  const int64_t kept = part.q1 - part.q0; // rows of grad_query per head
  if (part.queries) {
    for (int64_t i = 0; i < (part.h1 - part.h0) * kept * t.ldq; ++i) t.grad_q[i] = 0;
  }
  for (int64_t k0 = part.k0; k0 < part.k1; k0 += kKeys) {
    const int64_t columns = smaller(kKeys, s.keys - k0);
    read_keys(p, part.b, kv_head, k0, columns, t);
    if (part.keys) {
      for (int64_t i = 0; i < columns * t.ldq; ++i) t.grad_k[i] = 0;
      for (int64_t i = 0; i < columns * t.ldv; ++i) t.grad_v[i] = 0;
    }
    // Queries before k0 see none of these keys; blocks stay on their grid.
    const int64_t start = s.causal ? larger(part.q0, k0 / kQueries * kQueries) : part.q0;
    for (int64_t h = part.h0; h < part.h1; ++h) {
      for (int64_t q0 = start; q0 < part.q1; q0 += kQueries) {
        const Block at{part.b, h, q0, smaller(kQueries, part.q1 - q0), k0, columns};
        block_gradients(p, at, delta, t);
        if (part.keys) {
          product(t.weights, int64_t{1}, kKeys, t.grad_out, t.ldv, t.grad_v, t.ldv, columns,
                  t.ldv, at.rows, true);
          product(t.grads, int64_t{1}, kKeys, t.q, t.ldq, t.grad_k, t.ldq, columns, t.ldq,
                  at.rows, true);
        }
        if (part.queries) {
          T* grad_q = t.grad_q + ((h - part.h0) * kept + q0 - part.q0) * t.ldq;
          product(t.grads, kKeys, int64_t{1}, t.k, t.ldq, grad_q, t.ldq, at.rows, t.ldq, columns,
                  true);
        }
      }
    }
    if (part.keys) { // the scale is already in t.q
      write_tile<In, T>(p.grad_key, part.b, kv_head, k0, columns, s.width, t.grad_k, t.ldq, T(1));
      write_tile<In, T>(p.grad_value, part.b, kv_head, k0, columns, s.value_width, t.grad_v,
                        t.ldv, T(1));
    }
  }
  if (part.queries) {
    for (int64_t h = part.h0; h < part.h1; ++h) {
      write_tile<In, T>(p.grad_query, part.b, h, part.q0, kept, s.width,
                        t.grad_q + (h - part.h0) * kept * t.ldq, t.ldq, static_cast<T>(s.scale));
    }
  }
}

// delta[b, h, i] = grad_out . out: what the softmax subtracts from every gradient.
template <class In, class T>
void compute_delta(const AttentionBackward& p, T* delta) {
  const AttentionShape& s = p.shape;
  const int64_t rows = s.batch * s.heads * s.queries;
#pragma omp parallel for schedule(static) if (rows * s.value_width > 16384)
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t i = r % s.queries, h = r / s.queries % s.heads, b = r / s.queries / s.heads;
    const AttentionView &g = p.grad_out, &o = p.out;
    const In* grad = static_cast<const In*>(g.data) + b * g.batch + h * g.head + i * g.row;
    const In* out = static_cast<const In*>(o.data) + b * o.batch + h * o.head + i * o.row;
    T sum = 0;
    for (int64_t d = 0; d < s.value_width; ++d) {
      sum += static_cast<T>(grad[d * g.column]) * static_cast<T>(out[d * o.column]);
    }
    delta[r] = sum;
  }
}

// Gradient of the bias. A task owns rows of it, and adds up every batch and head
// that they were broadcast to, in one order.
template <class In, class T>
bool bias_gradient(const AttentionBackward& p, const T* delta) {
  const AttentionShape& s = p.shape;
  const bool all_rows = p.bias_queries == 1, one_column = p.bias_keys == 1 && s.keys != 1;
  const int64_t per_head = all_rows ? 1 : blocks(s.queries, kQueries);
  const int64_t tasks = p.bias_batch * p.bias_heads * per_head;
  const int threads = static_cast<int>(larger(1, smaller(omp_get_max_threads(), tasks)));
  const int64_t sum_rows = all_rows ? 1 : kQueries, ld = one_column ? 1 : s.keys;
  const int64_t tile_size = BackwardTiles<In, T>(s, 0, nullptr).size;
  const Scratch<T> scratch(threads, tile_size + sum_rows * ld);
  if (!scratch.ok()) return false;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t task = 0; task < tasks; ++task) {
    T* base = scratch.of_thread(omp_get_thread_num());
    const BackwardTiles<In, T> t(s, 0, base);
    T* sum = base + tile_size;
    const int64_t pair = task / per_head, q_start = task % per_head * kQueries;
    const int64_t bb = pair / p.bias_heads, bh = pair % p.bias_heads;
    const int64_t q_end = all_rows ? s.queries : smaller(s.queries, q_start + kQueries);
    for (int64_t i = 0; i < sum_rows * ld; ++i) sum[i] = 0;
    const int64_t b1 = p.bias_batch == 1 ? s.batch : bb + 1;
    const int64_t h1 = p.bias_heads == 1 ? s.heads : bh + 1;
    for (int64_t b = bb; b < b1; ++b) {
      for (int64_t h = bh; h < h1; ++h) {
        for (int64_t k0 = 0; k0 < s.keys; k0 += kKeys) {
          const int64_t columns = smaller(kKeys, s.keys - k0);
          read_keys(p, b, h / (s.heads / s.kv_heads), k0, columns, t);
          for (int64_t q0 = q_start; q0 < q_end; q0 += kQueries) {
            const Block at{b, h, q0, smaller(kQueries, q_end - q0), k0, columns};
            block_gradients(p, at, delta, t);
            for (int64_t i = 0; i < at.rows; ++i) {
              const T* grad = t.grads + i * kKeys;
              T* row = sum + (all_rows ? 0 : i * ld);
              for (int64_t j = 0; j < columns; ++j) row[one_column ? 0 : k0 + j] += grad[j];
            }
          }
        }
      }
    }
    write_tile<In, T>(p.grad_bias, bb, bh, all_rows ? 0 : q_start,
                      all_rows ? 1 : q_end - q_start, ld, sum, ld, T(1));
  }
  return true;
}

template <class In, class T>
bool backward(const AttentionBackward& p) {
  const AttentionShape& s = p.shape;
  const Scratch<T> delta(1, larger(1, s.batch * s.heads * s.queries));
  if (!delta.ok()) return false;
  T* const sums = delta.of_thread(0);
  compute_delta<In, T>(p, sums);

  const int available = omp_get_max_threads();
  const int64_t group = s.heads / s.kv_heads, pairs = s.batch * s.kv_heads;
  // One task per pair forms each block of scores once, but needs enough pairs;
  // else keys and queries are separate passes over finer tasks.
  const bool whole = pairs >= available;
  const int64_t kept = whole ? group * s.queries : kQueries;
  const int64_t size = BackwardTiles<In, T>(s, kept, nullptr).size;
  const Scratch<T> scratch(available, size);
  if (!scratch.ok()) return false;
  if (whole) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(available)
    for (int64_t pair = 0; pair < pairs; ++pair) {
      const BackwardTiles<In, T> t(s, kept, scratch.of_thread(omp_get_thread_num()));
      const int64_t h = pair % s.kv_heads * group;
      backward_part<In, T>(p, {pair / s.kv_heads, h, h + group, 0, s.queries, 0, s.keys, true, true},
                           sums, t);
    }
  } else {
    const int64_t key_blocks = blocks(s.keys, kKeys), query_blocks = blocks(s.queries, kQueries);
#pragma omp parallel for schedule(dynamic, 1) num_threads(available)
    for (int64_t task = 0; task < pairs * key_blocks; ++task) {
      const BackwardTiles<In, T> t(s, kept, scratch.of_thread(omp_get_thread_num()));
      const int64_t pair = task / key_blocks, h = pair % s.kv_heads * group;
      const int64_t k0 = task % key_blocks * kKeys;
      backward_part<In, T>(p, {pair / s.kv_heads, h, h + group, 0, s.queries, k0,
                               smaller(s.keys, k0 + kKeys), true, false}, sums, t);
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(available)
    for (int64_t task = 0; task < s.batch * s.heads * query_blocks; ++task) {
      const BackwardTiles<In, T> t(s, kept, scratch.of_thread(omp_get_thread_num()));
      const int64_t pair = task / query_blocks, h = pair % s.heads;
      const int64_t q0 = task % query_blocks * kQueries;
      const int64_t q1 = smaller(s.queries, q0 + kQueries);
      const int64_t k1 = s.causal ? smaller(s.keys, q1) : s.keys;
      backward_part<In, T>(p, {pair / s.heads, h, h + 1, q0, q1, 0, k1, false, true}, sums, t);
    }
  }
  return p.grad_bias.data == nullptr || bias_gradient<In, T>(p, sums);
}

template <class T>
void dropout_factors(const AttentionShape& s, T* factors) {
  const Dropout<T> dropout(s);
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < s.batch * s.heads * s.queries; ++r) {
    T block[kKeys];
    for (int64_t k0 = 0; k0 < s.keys; k0 += kKeys) {
      const Block at{0, 0, r, 1, k0, smaller(kKeys, s.keys - k0)};
      for (int64_t j = 0; j < kKeys; ++j) block[j] = 1;
      dropout.apply(s, at, 0, block);
      for (int64_t j = 0; j < at.columns; ++j) factors[r * s.keys + k0 + j] = block[j];
    }
  }
}

void run_dropout_factors(const AttentionShape& s, void* factors, AttentionType type) {
  if (type == AttentionType::Double) return dropout_factors(s, static_cast<double*>(factors));
  dropout_factors(s, static_cast<float*>(factors));
}

bool run_forward(const AttentionForward& p, AttentionType type) {
  switch (type) {
    case AttentionType::Float: return forward<float, float>(p);
    case AttentionType::Double: return forward<double, double>(p);
    case AttentionType::BFloat16: return forward<bfloat16, float>(p);
    case AttentionType::Half: return forward<half, float>(p);
  }
  return false;
}

bool run_backward(const AttentionBackward& p, AttentionType type) {
  switch (type) {
    case AttentionType::Float: return backward<float, float>(p);
    case AttentionType::Double: return backward<double, double>(p);
    case AttentionType::BFloat16: return backward<bfloat16, float>(p);
    case AttentionType::Half: return backward<half, float>(p);
  }
  return false;
}

} // namespace

XPU_LITE_REGISTER_KERNEL(attention_forward, run_forward);
XPU_LITE_REGISTER_KERNEL(attention_backward, run_backward);
XPU_LITE_REGISTER_KERNEL(attention_dropout_factors, run_dropout_factors);

} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
