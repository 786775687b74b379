// Gradients of attention. Scores are computed again, a block at a time. A work-group
// owns what it adds to (a block of keys, of queries, or all of a head's), so nothing is
// atomic and results do not depend on the order of groups.

#include "backend/xpu/kernels/attention_gradient.h"

namespace xk::attention {

template <class In, class T>
XK_INLINE void backward(const AttentionBackwardArgs& p) {
  XK_LOCAL(T[kRows * kKeys], weights);
  XK_LOCAL(T[kRows * kKeys], grads);
  T* const w = &weights[0];
  T* const g = &grads[0];
  const Team t = team();
  const AttentionShape& s = p.shape;
  const int64_t group = s.heads / s.kv_heads;
  int64_t index = static_cast<int64_t>(item().get_group_linear_id());

  // Keys [k0, k1) against queries [q0, q1) of heads [h0, h1) with one head of keys.
  int64_t b, h0, h1, q0 = 0, q1 = s.queries, k0 = 0, k1 = s.keys;
  const bool keys = p.part != AttentionPart::Queries, queries = p.part != AttentionPart::Keys;
  if (p.part == AttentionPart::Queries) {
    const int64_t blocks = (s.queries + kRows - 1) / kRows;
    q0 = index % blocks * kRows, q1 = sycl::min(s.queries, q0 + kRows);
    if (s.causal) k1 = sycl::min(k1, q1);
    index /= blocks;
    b = index / s.heads, h0 = index % s.heads, h1 = h0 + 1;
  } else {
    if (p.part == AttentionPart::Keys) {
      const int64_t blocks = s.key_rows / kKeys;
      k0 = index % blocks * kKeys, k1 = sycl::min(s.keys, k0 + kKeys);
      index /= blocks;
    }
    b = index / s.kv_heads, h0 = index % s.kv_heads * group, h1 = h0 + group;
  }
  const int64_t kv_head = h0 / group, kv = b * s.kv_heads + kv_head;
  T* const key_sums = static_cast<T*>(p.key_sum) + kv * s.key_rows * s.ldw;
  T* const value_sums = static_cast<T*>(p.value_sum) + kv * s.key_rows * s.ldv;
  const T* const key = static_cast<const T*>(p.key) + kv * s.key_rows * s.ldw;

  for (int64_t k_ = k0; k_ < k1; k_ += kKeys) {
    const int64_t k = uniform(k_);
    const int columns = static_cast<int>(sycl::min<int64_t>(kKeys, s.keys - k));
    // Queries before k see none of these keys; blocks stay on their grid.
    const int64_t start = s.causal ? sycl::max(q0, k / kRows * kRows) : q0;
    bool first = true;
    for (int64_t h_ = h0; h_ < h1; ++h_) {
      const int64_t h = uniform(h_);
      const int64_t pair = b * s.heads + h;
      for (int64_t q_ = start; q_ < q1; q_ += kRows) {
        const int64_t q = uniform(q_);
        const int rows = static_cast<int>(sycl::min<int64_t>(kRows, s.queries - q));
        const T* const query = static_cast<const T*>(p.query) + (pair * s.rows + q) * s.ldw;
        const T* const grad_out = static_cast<const T*>(p.grad_out) + (pair * s.rows + q) * s.ldv;
        for (int i = 0; i < rows; i += kAttentionTileRows) {
          tile_gradients<In, T>(p, b, h, q + i, k, w + i * kKeys, g + i * kKeys, t.lane);
        }
        sub_group_sync();
        if (keys) {
          for (int j = 0; j < columns; j += kAttentionTileRows) {
            product(w + j, int64_t{1}, int64_t{kKeys}, grad_out, s.ldv, value_sums + (k + j) * s.ldv,
                    s.ldv, static_cast<int>(s.ldv), rows, !first, t.lane);
            product(g + j, int64_t{1}, int64_t{kKeys}, query, s.ldw, key_sums + (k + j) * s.ldw,
                    s.ldw, static_cast<int>(s.ldw), rows, !first, t.lane);
          }
        }
        if (queries) {
          T* const sums = static_cast<T*>(p.query_sum) + (pair * s.rows + q) * s.ldw;
          for (int i = 0; i < rows; i += kAttentionTileRows) {
            product(g + i * kKeys, int64_t{kKeys}, int64_t{1}, key + k * s.ldw, s.ldw,
                    sums + i * s.ldw, s.ldw, static_cast<int>(s.ldw), columns, k > 0, t.lane);
          }
        }
        sub_group_sync();
        first = false;
      }
    }
    if (keys) { // the scale is already in `query`
      const T factor = first ? T(0) : T(1); // no query sees these keys
      if (first) {
        for (int64_t j = t.index; j < columns; j += t.count) {
          for (int64_t c = t.lane; c < s.ldw; c += kLanes) key_sums[(k + j) * s.ldw + c] = 0;
          for (int64_t c = t.lane; c < s.ldv; c += kLanes) value_sums[(k + j) * s.ldv + c] = 0;
        }
        sub_group_sync();
      }
      write_rows<In>(p.grad_key, b, kv_head, k, columns, s.width, key_sums + k * s.ldw, s.ldw,
                     factor, t);
      write_rows<In>(p.grad_value, b, kv_head, k, columns, s.value_width, value_sums + k * s.ldv,
                     s.ldv, factor, t);
    }
  }
  if (queries) {
    for (int64_t h = h0; h < h1; ++h) {
      const T* sums = static_cast<const T*>(p.query_sum) + ((b * s.heads + h) * s.rows + q0) * s.ldw;
      write_rows<In>(p.grad_query, b, h, q0, q1 - q0, s.width, sums, s.ldw,
                     pick<T>(p.scale, p.scale64), t);
    }
  }
}

} // namespace xk::attention

XK_ATTENTION(attention_backward_f32, xpu_lite::xpu::AttentionBackwardArgs) { xk::attention::backward<float, float>(args); }
XK_ATTENTION(attention_backward_f64, xpu_lite::xpu::AttentionBackwardArgs) { xk::attention::backward<double, double>(args); }
XK_ATTENTION(attention_backward_bf16, xpu_lite::xpu::AttentionBackwardArgs) { xk::attention::backward<xk::bf16, float>(args); }
XK_ATTENTION(attention_backward_f16, xpu_lite::xpu::AttentionBackwardArgs) { xk::attention::backward<xk::f16, float>(args); }
