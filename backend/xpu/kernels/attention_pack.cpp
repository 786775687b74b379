// Copies of attention's operands in the layout and type that its products read:
// rows without gaps, or transposed, in the type that sums are made in. Linear in the
// length, and read once per block of queries.

#include "backend/xpu/kernels/attention_tile.h"

namespace xk::attention {

template <class In, class T>
XK_INLINE void pack_one(const AttentionPackOne& p, int64_t group, const Team& t) {
  const int64_t blocks = (p.rows + kKeys - 1) / kKeys, index = group - p.first_group;
  const int64_t pair = index / blocks, r0 = index % blocks * kKeys;
  const int64_t rows = sycl::min<int64_t>(kKeys, p.rows - r0);
  const In* src = static_cast<const In*>(p.src.data) + pair / p.heads * p.src.batch +
                  pair % p.heads * p.src.head + r0 * p.src.row;
  T* dst = static_cast<T*>(p.dst) + pair * p.dst_head;
  const T factor = pick<T>(p.factor, p.factor64);
  if (p.transposed) {
    for (int64_t c = t.index; c < p.columns; c += t.count) {
      for (int64_t r = t.lane; r < rows; r += kLanes) {
        dst[c * p.ld + r0 + r] = widen(src[r * p.src.row + c * p.src.column]) * factor;
      }
    }
  } else {
    for (int64_t r = t.index; r < rows; r += t.count) {
      for (int64_t c = t.lane; c < p.columns; c += kLanes) {
        dst[(r0 + r) * p.ld + c] = widen(src[r * p.src.row + c * p.src.column]) * factor;
      }
    }
  }
}

template <class In, class T>
XK_INLINE void pack(const AttentionPackArgs& args) {
  const int64_t group = static_cast<int64_t>(item().get_group_linear_id());
  const Team t = team();
  // Unrolled: arguments that are indexed by a variable become private memory.
#pragma unroll
  for (int i = 0; i < AttentionPackArgs::kMax; ++i) {
    const AttentionPackOne& p = args.one[i];
    if (i < args.count && group >= p.first_group && group < p.last_group) pack_one<In, T>(p, group, t);
  }
}

} // namespace xk::attention

XK_ATTENTION(attention_pack_f32, xpu_lite::xpu::AttentionPackArgs) { xk::attention::pack<float, float>(args); }
XK_ATTENTION(attention_pack_f64, xpu_lite::xpu::AttentionPackArgs) { xk::attention::pack<double, double>(args); }
XK_ATTENTION(attention_pack_bf16, xpu_lite::xpu::AttentionPackArgs) { xk::attention::pack<xk::bf16, float>(args); }
XK_ATTENTION(attention_pack_f16, xpu_lite::xpu::AttentionPackArgs) { xk::attention::pack<xk::f16, float>(args); }
