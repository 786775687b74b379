// Scaled dot product attention, one sub-group per 8 queries: blocks of scores, a
// softmax whose base moves with the largest score so far, and sums of values (Dao et
// al., FlashAttention, 2022). Sub-groups share nothing but the launch.

#include "backend/xpu/kernels/attention_tile.h"

namespace xk::attention {

constexpr int kTile = kAttentionTileRows;

template <class In, class T>
XK_INLINE void forward(const AttentionForwardArgs& p) {
  // The weights of a team's rows; then, per row: largest score, sum of weights.
  XK_LOCAL(T[kAttentionMaxTeams * kTile * (kKeys + 2)], local);
  const Team t = team();
  T* const weights = &local[t.index * kTile * (kKeys + 2)];
  T* const most = weights + kTile * kKeys;
  T* const total = most + kTile;
  const AttentionShape& s = p.shape;
  const auto sg = item().get_sub_group();
  constexpr T kInfinity = std::numeric_limits<T>::infinity();

  const int64_t tiles = s.rows / kTile;
  const int64_t task = static_cast<int64_t>(item().get_group_linear_id()) * t.count + t.index;
  if (task >= s.batch * s.heads * tiles) return;
  const int64_t pair = task / tiles, b = pair / s.heads, h = pair % s.heads;
  const int64_t q0 = task % tiles * kTile, kv = b * s.kv_heads + h / (s.heads / s.kv_heads);
  const int rows = static_cast<int>(sycl::min<int64_t>(kTile, s.queries - q0));

  const T* query = static_cast<const T*>(p.query) + (pair * s.rows + q0) * s.ldw;
  const T* key_t = static_cast<const T*>(p.key_t) + kv * s.width * s.ldk;
  const T* value = static_cast<const T*>(p.value) + kv * s.key_rows * s.ldv;
  T* const out = static_cast<T*>(p.out_sum) + (pair * s.rows + q0) * s.ldv;
  for (int i = t.lane; i < kTile; i += kLanes) most[i] = -kInfinity, total[i] = 0;

  const int64_t last = s.causal ? sycl::min<int64_t>(s.keys, q0 + rows) : s.keys;
  for (int64_t k0 = 0; k0 < last; k0 += kKeys) {
    const int columns = static_cast<int>(sycl::min<int64_t>(kKeys, s.keys - k0));
    sub_group_sync();
    score<In, T>(s, p.bias, b, h, q0, k0, query, key_t, weights, t.lane);
    for (int i = 0; i < kTile; ++i) {
      T* const row = weights + i * kKeys;
      T x[kKeys / kLanes], block_most = -kInfinity, sum = 0;
#pragma unroll
      for (int j = 0; j < kKeys / kLanes; ++j) {
        x[j] = row[j * kLanes + t.lane];
        block_most = sycl::fmax(block_most, x[j]);
      }
      const T before = most[i];
      const T next =
          sycl::fmax(before, sycl::reduce_over_group(sg, block_most, sycl::maximum<T>()));
      // A row that has seen no key: weights 0, not NaN. NaN scores stay NaN.
      const T base = next == -kInfinity ? T(0) : next;
#pragma unroll
      for (int j = 0; j < kKeys / kLanes; ++j) {
        x[j] = sycl::exp(x[j] - base);
        sum += x[j];
        row[j * kLanes + t.lane] = x[j];
      }
      const T keep = sycl::exp(before - base);
      const T block_total = sycl::reduce_over_group(sg, sum, sycl::plus<T>());
      if (k0 > 0 && keep != T(1)) {
        for (int64_t c = t.lane; c < s.ldv; c += kLanes) out[i * s.ldv + c] *= keep;
      }
      const T all = total[i] * keep + block_total;
      sub_group_sync();
      if (t.lane == 0) most[i] = next, total[i] = all;
    }
    if (s.dropout) {
      sub_group_sync();
      for (int i = 0; i < kTile; ++i) {
        T factors[4];
        dropout_factors(s, static_cast<uint64_t>(pair * s.queries + q0 + i), k0, t.lane, factors);
#pragma unroll
        for (int w = 0; w < 4; ++w) weights[i * kKeys + t.lane * 4 + w] *= factors[w];
      }
    }
    sub_group_sync();
    product(weights, int64_t{kKeys}, int64_t{1}, value + k0 * s.ldv, s.ldv, out, s.ldv,
            static_cast<int>(s.ldv), columns, k0 > 0, t.lane);
  }
  sub_group_sync();
  T* const lse = static_cast<T*>(p.logsumexp) + pair * s.queries + q0;
  In* const dst = static_cast<In*>(p.out.data) + b * p.out.batch + h * p.out.head;
  for (int i = 0; i < rows; ++i) {
    const T all = total[i];
    const T factor = all == T(0) ? T(0) : T(1) / all;
    for (int64_t c = t.lane; c < s.value_width; c += kLanes) {
      dst[(q0 + i) * p.out.row + c * p.out.column] = narrow<In>(out[i * s.ldv + c] * factor);
    }
    if (t.lane == 0) lse[i] = all == T(0) ? kInfinity : most[i] + sycl::log(all);
  }
}

} // namespace xk::attention

XK_ATTENTION(attention_forward_f32, xpu_lite::xpu::AttentionForwardArgs) { xk::attention::forward<float, float>(args); }
XK_ATTENTION(attention_forward_f64, xpu_lite::xpu::AttentionForwardArgs) { xk::attention::forward<double, double>(args); }
XK_ATTENTION(attention_forward_bf16, xpu_lite::xpu::AttentionForwardArgs) { xk::attention::forward<xk::bf16, float>(args); }
XK_ATTENTION(attention_forward_f16, xpu_lite::xpu::AttentionForwardArgs) { xk::attention::forward<xk::f16, float>(args); }
