// What the softmax subtracts from every gradient of a row of attention: the dot
// product of the output and its gradient.

#include "backend/xpu/kernels/attention_tile.h"

namespace xk::attention {

template <class In, class T>
XK_INLINE void delta(const AttentionDeltaArgs& p) {
  const Team t = team();
  const auto sg = item().get_sub_group();
  const int64_t step = static_cast<int64_t>(item().get_group_range(0)) * t.count;
  const AttentionView &g = p.grad_out, &o = p.out;
  for (int64_t r = static_cast<int64_t>(item().get_group_linear_id()) * t.count + t.index; r < p.total; r += step) {
    const int64_t i = r % p.queries, pair = r / p.queries, h = pair % p.heads, b = pair / p.heads;
    const In* grad = static_cast<const In*>(g.data) + b * g.batch + h * g.head + i * g.row;
    const In* out = static_cast<const In*>(o.data) + b * o.batch + h * o.head + i * o.row;
    T sum = 0;
    for (int64_t c = t.lane; c < p.value_width; c += kLanes) {
      sum += widen(grad[c * g.column]) * widen(out[c * o.column]);
    }
    sum = sycl::reduce_over_group(sg, sum, sycl::plus<T>());
    if (t.lane == 0) static_cast<T*>(p.delta)[r] = sum;
  }
}

} // namespace xk::attention

XK_ATTENTION(attention_delta_f32, xpu_lite::xpu::AttentionDeltaArgs) { xk::attention::delta<float, float>(args); }
XK_ATTENTION(attention_delta_f64, xpu_lite::xpu::AttentionDeltaArgs) { xk::attention::delta<double, double>(args); }
XK_ATTENTION(attention_delta_bf16, xpu_lite::xpu::AttentionDeltaArgs) { xk::attention::delta<xk::bf16, float>(args); }
XK_ATTENTION(attention_delta_f16, xpu_lite::xpu::AttentionDeltaArgs) { xk::attention::delta<xk::f16, float>(args); }
