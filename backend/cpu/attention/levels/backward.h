#pragma once

// The backward pass: one task is a head of keys with all queries of its heads, so that
// each block of scores is formed once and no two tasks write the same gradient.

#include <omp.h>

#include "backend/cpu/attention/levels/block.h"

namespace xpu_lite::cpu::attention::XPU_LITE_LEVEL {
namespace {

template <class A>
struct BackwardParts {
  BackwardParts(const AttentionShape& s, char* base) {
    Cutter cut{base};
    const int64_t rows = s.heads / s.kv_heads * s.queries;
    ldq = up(s.width, 32);
    ldv = up(s.value_width, 32);
    q = cut.template cut<A>(kRows * ldq);
    grad_out = cut.template cut<A>(kRows * ldv);
    q_panels = cut.template cut<A>(ldq / kPanel * Form<A>::panel(kRows));
    grad_out_panels = cut.template cut<A>(ldv / kPanel * Form<A>::panel(kRows));
    keys_along_width = cut.template cut<A>(kKeys / kPanel * Form<A>::panel(s.width));
    keys = cut.template cut<A>(ldq / kPanel * Form<A>::panel(kKeys));
    values = cut.template cut<A>(kKeys / kPanel * Form<A>::panel(s.value_width));
    score_grads = cut.template cut<A>(kRows * kKeys);
    turned_grads = cut.template cut<A>(kKeys * kRows);
    turned_weights = cut.template cut<A>(kKeys * kRows);
    weights = cut.template cut<float>(kRows * kKeys);
    grads = cut.template cut<float>(kRows * kKeys);
    grad_keys = cut.template cut<float>(kKeys * ldq);
    grad_values = cut.template cut<float>(kKeys * ldv);
    grad_queries = cut.template cut<float>(rows * ldq);
    delta = cut.template cut<float>(rows);
    bias = cut.template cut<float>(kKeys);
    factors = cut.template cut<float>(kKeys);
    bytes = cut.used;
  }
  int64_t ldq, ldv, bytes;
  A *q, *grad_out, *q_panels, *grad_out_panels, *keys_along_width, *keys, *values;
  A *score_grads, *turned_grads, *turned_weights;
  float *weights, *grads, *grad_keys, *grad_values, *grad_queries, *delta, *bias, *factors;
};

// out[column][row]: a block in panels turned around, to be multiplied from the left.
// Rows fill whole registers, zero beyond `rows`.
XPU_LITE_INLINE void turn(const float* panels, int64_t rows, int64_t columns, float* out) {
  transpose_lines(rows, columns, [&](int64_t y, int64_t x, int) {
    return load(panels + (x / kPanel * rows + y) * kPanel + x % kPanel);
  }, out, kRows);
}
XPU_LITE_INLINE Bits halves(Reg x) { // bfloat16 in the low half of each lane
#if defined(__AVX512BF16__)
  return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x));
#else
  return to_bfloat16(x);
#endif
}
XPU_LITE_INLINE void turn(const float* panels, int64_t rows, int64_t columns, bfloat16* out) {
  transpose_lines((rows + 1) / 2, columns, [&](int64_t y, int64_t x, int) {
    const float* from = panels + (x / kPanel * rows + 2 * y) * kPanel + x % kPanel;
    const Bits pair = halves(load(from));
    if (2 * y + 1 == rows) return floats(pair);
    return floats(add(pair, left<16>(halves(load(from + kPanel)))));
  }, reinterpret_cast<float*>(out), kRows / 2);
}

// Queries [q0, q0 + rows) of one head against one block of keys.
struct Place {
  int64_t b, h, q0, rows, k0, columns;
};

// t.weights and t.grads, in panels: the weights after dropout and the gradients of the
// scores. The latter also in rows.
template <class In, class A>
XPU_LITE_INLINE void block_gradients(const AttentionBackward& p, const Place& place,
                                     const Dropout& dropout, const float* delta,
                                     BiasRow<In>& bias_row, const BackwardParts<A>& t) {
  const AttentionShape& s = p.shape;
  const float* lse = static_cast<const float*>(p.logsumexp) +
      (place.b * s.heads + place.h) * s.queries + place.q0;
  const int64_t distance = place.rows * kPanel;
  for (int64_t r = 0; r < place.rows; ++r) {
    const int64_t query = place.q0 + r;
    const int64_t seen = seen_keys(s, query, place.k0, place.columns);
    float *weights = t.weights + r * kPanel, *grads = t.grads + r * kPanel;
    finish_scores(weights, distance, seen, static_cast<float>(s.scale),
                  bias_row.get(p.bias, place.b, place.h, query, place.k0, place.columns));
    if (dropout.on) {
      dropout.factors(s, place.b, place.h, query, place.k0, up(place.columns, kPanel), t.factors);
    }
    const Reg base = splat(-lse[r]), shift = splat(-delta[r]);
    A* rows = t.score_grads + r * kKeys;
    for (int64_t j = 0; j < place.columns; j += kPanel) {
      for (int64_t v = 0; v < kPanel; v += kLanes) {
        Reg weight = zero(), grad = zero();
        if (j < seen) {
          weight = exp_below(load(weights + v) + base);
          grad = load(grads + v);
          if (dropout.on) {
            const Reg factor = load(t.factors + j + v);
            grad = weight * fma(grad, factor, shift);
            weight = weight * factor;
          } else {
            grad = weight * (grad + shift);
          }
        }
        store(weights + v, weight);
        store(grads + v, grad);
        put(rows + j + v, grad);
      }
      weights += distance, grads += distance;
    }
  }
}

template <class In, class A>
void backward_pair(const AttentionBackward& p, int64_t b, int64_t kv_head,
                   const gemm::Kernels& kernels, const BackwardParts<A>& t) {
  const AttentionShape& s = p.shape;
  const Dropout dropout(s);
  const int64_t group = s.heads / s.kv_heads, h0 = kv_head * group;
  const int64_t key_panels = t.ldq / kPanel, value_panels = t.ldv / kPanel;
  for (int64_t i = 0; i < group * s.queries * t.ldq; ++i) t.grad_queries[i] = 0;
  BiasRow<In> bias_row(t.bias);
  for (int64_t k0 = 0; k0 < s.keys; k0 += kKeys) {
    const int64_t columns = smaller(kKeys, s.keys - k0);
    const int64_t panels = (columns + kPanel - 1) / kPanel;
    const In* key = at<const In>(p.key, b, kv_head, k0);
    pack(key, columns, s.width, p.key.row, p.key.column, t.keys_along_width);
    pack(key, s.width, columns, p.key.column, p.key.row, t.keys);
    pack(at<const In>(p.value, b, kv_head, k0), columns, s.value_width, p.value.row,
         p.value.column, t.values);
    bool first = true;
    for (int64_t h = h0; h < h0 + group; ++h) {
      // Queries before k0 see none of these keys; blocks stay on their grid.
      for (int64_t q0 = s.causal ? k0 / kRows * kRows : 0; q0 < s.queries; q0 += kRows) {
        const Place place{b, h, q0, smaller(kRows, s.queries - q0), k0, columns};
        const int64_t rows = place.rows;
        float* delta = t.delta + (h - h0) * s.queries + q0;
        const In* query = at<const In>(p.query, b, h, q0);
        const In* grad = at<const In>(p.grad_out, b, h, q0);
        for (int64_t r = 0; r < rows; ++r) {
          read_row(query + r * p.query.row, p.query.column, s.width, t.q + r * t.ldq, t.ldq);
          read_row(grad + r * p.grad_out.row, p.grad_out.column, s.value_width,
                   t.grad_out + r * t.ldv, t.ldv);
        }
        if (k0 == 0) { // grad_out . out: what the softmax subtracts from every gradient
          const In* out = at<const In>(p.out, b, h, q0);
          for (int64_t r = 0; r < rows; ++r) {
            delta[r] = dot_row(grad + r * p.grad_out.row, p.grad_out.column,
                               out + r * p.out.row, p.out.column, s.value_width);
          }
        }
        product(kernels, t.q, t.ldq, t.keys_along_width, panels, s.width, t.weights, rows, false);
        product(kernels, t.grad_out, t.ldv, t.values, panels, s.value_width, t.grads, rows, false);
        block_gradients<In>(p, place, dropout, delta, bias_row, t);
        turn(t.weights, rows, panels * kPanel, t.turned_weights);
        turn(t.grads, rows, panels * kPanel, t.turned_grads);
        pack(grad, s.value_width, rows, p.grad_out.column, p.grad_out.row, t.grad_out_panels);
        pack(query, s.width, rows, p.query.column, p.query.row, t.q_panels);
        product(kernels, t.turned_weights, kRows, t.grad_out_panels, value_panels, rows,
                t.grad_values, columns, !first);
        product(kernels, t.turned_grads, kRows, t.q_panels, key_panels, rows, t.grad_keys, columns,
                !first);
        product(kernels, t.score_grads, kKeys, t.keys, key_panels, columns,
                t.grad_queries + ((h - h0) * s.queries + q0) * t.ldq, rows, true);
        first = false;
      }
    }
    if (first) { // no query sees these keys
      for (int64_t i = 0; i < columns * t.ldq; ++i) t.grad_keys[i] = 0;
      for (int64_t i = 0; i < columns * t.ldv; ++i) t.grad_values[i] = 0;
    }
    for (int64_t j = 0; j < columns; ++j) {
      write_row(at<In>(p.grad_key, b, kv_head, k0 + j), p.grad_key.column, s.width,
                t.grad_keys + j * kPanel, columns * kPanel, static_cast<float>(s.scale));
      write_row(at<In>(p.grad_value, b, kv_head, k0 + j), p.grad_value.column, s.value_width,
                t.grad_values + j * kPanel, columns * kPanel, 1.f);
    }
  }
  for (int64_t h = h0; h < h0 + group; ++h) {
    for (int64_t q0 = 0; q0 < s.queries; q0 += kRows) {
      const int64_t rows = smaller(kRows, s.queries - q0);
      const float* sums = t.grad_queries + ((h - h0) * s.queries + q0) * t.ldq;
      for (int64_t r = 0; r < rows; ++r) {
        write_row(at<In>(p.grad_query, b, h, q0 + r), p.grad_query.column, s.width,
                  sums + r * kPanel, rows * kPanel, static_cast<float>(s.scale));
      }
    }
  }
}

template <class In, class A>
bool backward(const AttentionBackward& p, const gemm::Kernels& kernels) {
  const AttentionShape& s = p.shape;
  const int64_t pairs = s.batch * s.kv_heads;
  const int threads = static_cast<int>(larger(1, smaller(omp_get_max_threads(), pairs)));
  const Scratch scratch(threads, BackwardParts<A>(s, nullptr).bytes);
  if (!scratch.ok()) return false;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t pair = 0; pair < pairs; ++pair) {
    const BackwardParts<A> t(s, scratch.of_thread(omp_get_thread_num()));
    backward_pair<In, A>(p, pair / s.kv_heads, pair % s.kv_heads, kernels, t);
  }
  return true;
}

} // namespace
} // namespace xpu_lite::cpu::attention::XPU_LITE_LEVEL
