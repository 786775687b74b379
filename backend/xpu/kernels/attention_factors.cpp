// Writes out the dropout factors of attention, for the derivative of its backward
// pass, which recomputes attention by its formula.

#include "backend/xpu/kernels/attention_tile.h"

namespace xk::attention {

template <class T>
XK_INLINE void factors(const AttentionFactorsArgs& p) {
  const Team t = team();
  const AttentionShape& s = p.shape;
  const int64_t row = static_cast<int64_t>(item().get_group_linear_id()) * t.count + t.index;
  if (row >= s.batch * s.heads * s.queries) return;
  T* const out = static_cast<T*>(p.factors) + row * s.keys;
  for (int64_t k0 = 0; k0 < s.keys; k0 += kKeys) {
    T values[4];
    dropout_factors(s, static_cast<uint64_t>(row), k0, t.lane, values);
    for (int j = 0; j < 4; ++j) {
      const int64_t k = k0 + 4 * t.lane + j;
      if (k < s.keys) out[k] = values[j];
    }
  }
}

} // namespace xk::attention

XK_ATTENTION(attention_factors_f32, xpu_lite::xpu::AttentionFactorsArgs) { xk::attention::factors<float>(args); }
XK_ATTENTION(attention_factors_f64, xpu_lite::xpu::AttentionFactorsArgs) { xk::attention::factors<double>(args); }
