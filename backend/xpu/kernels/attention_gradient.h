#pragma once

// The gradient of a tile of attention's scores. Device code only.

#include "backend/xpu/kernels/attention_tile.h"

namespace xk::attention {

// For kAttentionTileRows queries from q0 and kKeys keys from k0: `weights` after
// dropout, and `grads`, the gradient of the scores. Rows and keys past the end are 0.
template <class In, class T>
XK_INLINE void tile_gradients(const AttentionBackwardArgs& p, int64_t b, int64_t h, int64_t q0,
                              int64_t k0, T* weights, T* grads, int lane) {
  const AttentionShape& s = p.shape;
  const int64_t pair = b * s.heads + h, kv = b * s.kv_heads + h / (s.heads / s.kv_heads);
  const T* const query = static_cast<const T*>(p.query) + (pair * s.rows + q0) * s.ldw;
  const T* const grad_out = static_cast<const T*>(p.grad_out) + (pair * s.rows + q0) * s.ldv;
  const T* const key_t = static_cast<const T*>(p.key_t) + kv * s.width * s.ldk;
  const T* const value_t = static_cast<const T*>(p.value_t) + kv * s.value_width * s.ldk;
  score<In, T>(s, p.bias, b, h, q0, k0, query, key_t, weights, lane);
  product(grad_out, s.ldv, int64_t{1}, value_t + k0, s.ldk, grads, int64_t{kKeys}, kKeys,
          static_cast<int>(s.value_width), false, lane);
  const int64_t first = pair * s.queries;
  for (int i = 0; i < kAttentionTileRows; ++i) {
    const int64_t q = q0 + i;
    const bool real = q < s.queries;
    const T base = real ? static_cast<const T*>(p.logsumexp)[first + q] : T(0);
    const T shift = real ? static_cast<const T*>(p.delta)[first + q] : T(0);
    T* const weight = weights + i * kKeys;
    T* const grad = grads + i * kKeys;
    if (s.dropout) { // lanes hold four neighbours, as the random words come
      T factors[4];
      dropout_factors(s, static_cast<uint64_t>(first + q), k0, lane, factors);
      sub_group_sync();
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int column = 4 * lane + j;
        const bool in = real && k0 + column < s.keys;
        const T x = in ? sycl::exp(weight[column] - base) : T(0);
        grad[column] = in ? x * (grad[column] * factors[j] - shift) : T(0);
        weight[column] = x * factors[j];
      }
    } else {
#pragma unroll
      for (int j = 0; j < kKeys; j += kLanes) {
        const int column = j + lane;
        const bool in = real && k0 + column < s.keys;
        const T x = in ? sycl::exp(weight[column] - base) : T(0);
        weight[column] = x;
        grad[column] = in ? x * (grad[column] - shift) : T(0);
      }
    }
  }
}

} // namespace xk::attention
