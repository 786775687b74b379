// The gradient of attention's additive mask. A sub-group owns rows of it, and adds up
// every batch, head and query that they were broadcast to, in one order.

#include "backend/xpu/kernels/attention_gradient.h"

namespace xk::attention {

constexpr int kTile = kAttentionTileRows;

template <class In, class T>
XK_INLINE void bias_gradient(const AttentionBiasArgs& p) {
  XK_LOCAL(T[kTile * kKeys], weights);
  XK_LOCAL(T[kTile * kKeys], grads);
  T* const w = &weights[0];
  T* const g = &grads[0];
  const Team t = team();
  const auto sg = item().get_sub_group();
  const AttentionShape& s = p.backward.shape;
  const bool all_rows = p.bias_queries == 1, one_column = p.bias_keys == 1;
  const int64_t tiles = all_rows ? 1 : s.rows / kTile;
  const int64_t index = static_cast<int64_t>(item().get_group_linear_id());
  const int64_t pair = index / tiles, bb = pair / p.bias_heads, bh = pair % p.bias_heads;
  const int64_t q_start = index % tiles * kTile;
  const int64_t q_end = all_rows ? s.queries : sycl::min(s.queries, q_start + kTile);
  const int64_t b1 = p.bias_batch == 1 ? s.batch : bb + 1, h1 = p.bias_heads == 1 ? s.heads : bh + 1;
  const int64_t kept = all_rows ? 1 : q_end - q_start; // rows of the result
  const int64_t padded = all_rows ? 1 : kTile;
  const int64_t sum_rows = all_rows ? kTile : s.rows;
  T* const sum = static_cast<T*>(p.sum) + (pair * sum_rows + q_start) * p.ld;
  for (int64_t i = 0; i < padded; ++i) {
    for (int64_t c = t.lane; c < p.ld; c += kLanes) sum[i * p.ld + c] = 0;
  }
  for (int64_t b = bb; b < b1; ++b) {
    for (int64_t h = bh; h < h1; ++h) {
      for (int64_t q = q_start; q < q_end; q += kTile) {
        const int64_t last = s.causal ? sycl::min(s.keys, q + kTile) : s.keys;
        for (int64_t k = 0; k < last; k += kKeys) {
          sub_group_sync();
          tile_gradients<In, T>(p.backward, b, h, q, k, w, g, t.lane);
          sub_group_sync();
          for (int i = 0; i < kTile; ++i) {
            T* const row = sum + (all_rows ? 0 : i * p.ld);
            for (int j = t.lane; j < kKeys; j += kLanes) {
              row[one_column ? t.lane : k + j] += g[i * kKeys + j];
            }
          }
        }
      }
    }
  }
  const AttentionView& view = p.grad_bias;
  In* const dst = static_cast<In*>(view.data) + bb * view.batch + bh * view.head;
  for (int64_t i = 0; i < kept; ++i) {
    if (one_column) {
      const T all = sycl::reduce_over_group(sg, sum[i * p.ld + t.lane], sycl::plus<T>());
      if (t.lane == 0) dst[(q_start + i) * view.row] = narrow<In>(all);
    } else {
      for (int64_t c = t.lane; c < s.keys; c += kLanes) {
        dst[(q_start + i) * view.row + c * view.column] = narrow<In>(sum[i * p.ld + c]);
      }
    }
  }
}

} // namespace xk::attention

XK_ATTENTION(attention_bias_f32, xpu_lite::xpu::AttentionBiasArgs) { xk::attention::bias_gradient<float, float>(args); }
XK_ATTENTION(attention_bias_f64, xpu_lite::xpu::AttentionBiasArgs) { xk::attention::bias_gradient<double, double>(args); }
XK_ATTENTION(attention_bias_bf16, xpu_lite::xpu::AttentionBiasArgs) { xk::attention::bias_gradient<xk::bf16, float>(args); }
XK_ATTENTION(attention_bias_f16, xpu_lite::xpu::AttentionBiasArgs) { xk::attention::bias_gradient<xk::f16, float>(args); }
