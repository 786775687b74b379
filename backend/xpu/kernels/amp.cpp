// GradScaler's two operators: the host never waits for their results.

#include "backend/xpu/kernels/multi_tensor.h"

using namespace xk;
using namespace xpu_lite::xpu;

namespace {

template <class T>
inline void unscale(const UnscaleArgs& args) {
  using A = acc_t<T>;
  for_chunk(args.tensors, args.chunks,
            [&](const ForeachTensor<float>& t, int64_t first, int lane, int lanes, int n) {
              T* data = static_cast<T*>(t.out) + first;
              const float scale = *args.inv_scale;
              bool bad = false;
              for (int i = lane; i < n; i += lanes) {
                const A x = widen(data[i]);
                bad |= !(sycl::fabs(x) < A(__builtin_inff())); // NaN, too
                // A scale of one leaves even a NaN's bits alone.
                data[i] = scale == 1.0f ? data[i] : narrow<T>(x * static_cast<A>(scale));
              }
              if (bad) *args.found_inf = 1.0f;
            });
}

} // namespace

XK(amp_unscale_f32, UnscaleArgs) { unscale<float>(args); }
XK(amp_unscale_f64, UnscaleArgs) { unscale<double>(args); }
XK(amp_unscale_f16, UnscaleArgs) { unscale<f16>(args); }
XK(amp_unscale_bf16, UnscaleArgs) { unscale<bf16>(args); }

XK(amp_update_scale, UpdateScaleArgs) {
  if (item().get_global_id(0) != 0) return;
  if (*args.found_inf != 0.0f) {
    *args.scale *= args.backoff;
    *args.growth_tracker = 0;
    return;
  }
  const int32_t successful = *args.growth_tracker + 1;
  if (successful != args.interval) {
    *args.growth_tracker = successful;
    return;
  }
  // A scale of infinity could never come back.
  const float grown = *args.scale * args.growth;
  if (sycl::fabs(grown) < __builtin_inff()) *args.scale = grown;
  *args.growth_tracker = 0;
}
