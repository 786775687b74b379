// Dropout in one pass over memory. A dropped element is multiplied by zero, not
// set to it: NaN and infinity in the input stay visible, as they do on the CPU.

#include "backend/xpu/kernels/dropout_args.h"
#include "backend/xpu/kernels/random_draw.h"

using namespace xk;
using namespace xpu_lite::xpu;

namespace {

template <class T>
inline void forward(const DropoutArgs<real_of<T>>& args) {
  using Real = real_of<T>;
  const T* in = static_cast<const T*>(args.in);
  T* out = static_cast<T*>(args.out);
  for_blocks<4>(args.n, args.stream, [&](const uint32_t* w, int64_t at, int m) {
    Real x[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) x[i] = i < m ? widen(in[at + i]) : Real(0);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const uint8_t kept = w[i] <= args.last ? args.yes : uint8_t{0};
      if (i < m) {
        args.mask[at + i] = kept;
        out[at + i] = narrow<T>(x[i] * (static_cast<Real>(kept) * args.scale));
      }
    }
  });
}

template <class T>
inline void scale(const MaskedScaleArgs<real_of<T>>& args) {
  using Real = real_of<T>;
  const T* in = static_cast<const T*>(args.in);
  T* out = static_cast<T*>(args.out);
  const int64_t i = static_cast<int64_t>(item().get_global_id(0));
  if (i >= args.n) return;
  out[i] = narrow<T>(widen(in[i]) * (static_cast<Real>(args.mask[i]) * args.scale));
}

} // namespace

XK(dropout_forward_f32, DropoutArgs<float>) { forward<float>(args); }
XK(dropout_forward_f16, DropoutArgs<float>) { forward<f16>(args); }
XK(dropout_forward_bf16, DropoutArgs<float>) { forward<bf16>(args); }
XK(dropout_forward_f64, DropoutArgs<double>) { forward<double>(args); }
XK(masked_scale_f32, MaskedScaleArgs<float>) { scale<float>(args); }
XK(masked_scale_f16, MaskedScaleArgs<float>) { scale<f16>(args); }
XK(masked_scale_bf16, MaskedScaleArgs<float>) { scale<bf16>(args); }
XK(masked_scale_f64, MaskedScaleArgs<double>) { scale<double>(args); }
