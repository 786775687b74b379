// The _foreach_ operators: out[i] = op(a[i], b[i], c[i], s) over a list of tensors.
// The arithmetic is the host engine's.

#include "backend/xpu/kernels/multi_tensor.h"

// Its builtins stop the vectoriser on CPU devices.
#define XPU_LITE_LEVEL sycl_device
#define XPU_LITE_OWN_MATH
namespace xpu_lite::cpu::sycl_device {
template <class T> inline T power(T x, T y) { return sycl::pow(x, y); }
template <class T> inline T root(T x) { return sycl::sqrt(x); }
template <class T> inline T up(T x) { return sycl::ceil(x); }
template <class T> inline T down(T x) { return sycl::floor(x); }
template <class T> inline T nearest(T x) { return sycl::rint(x); }
template <class T> inline T chop(T x) { return sycl::trunc(x); }
inline float magnitude(float x) { return sycl::fabs(x); }
inline double magnitude(double x) { return sycl::fabs(x); }
} // namespace xpu_lite::cpu::sycl_device
#include "backend/cpu/kernels/elementwise_ops.h"

using namespace xk;
using namespace xpu_lite::xpu;
using namespace xpu_lite::cpu::sycl_device;

namespace {

template <class T, class Op>
inline void apply(const ForeachArgs<acc_t<T>>& args) {
  using A = acc_t<T>;
  for_chunk(args.tensors, args.chunks,
            [&](const ForeachTensor<A>& t, int64_t first, int lane, int lanes, int n) {
              const A s = args.late ? args.factor * widen(*static_cast<const T*>(args.late)) : t.s;
              T* out = static_cast<T*>(t.out) + first;
              const T* a = static_cast<const T*>(t.a) + first;
              const T* b = static_cast<const T*>(t.b) + first;
              const T* c = static_cast<const T*>(t.c) + first;
              for (int i = lane; i < n; i += lanes) {
                // Loads of operands that Op does not read are dropped: they may be null.
                out[i] = narrow<T>(Op::template run<A>(widen(a[i]), widen(b[i]), widen(c[i]), s));
              }
            });
}

} // namespace

#define XK_FOREACH(name, Op)                                                        \
  XK(foreach_##name##_f32, ForeachArgs<float>) { apply<float, Op>(args); }          \
  XK(foreach_##name##_f64, ForeachArgs<double>) { apply<double, Op>(args); }        \
  XK(foreach_##name##_f16, ForeachArgs<float>) { apply<f16, Op>(args); }            \
  XK(foreach_##name##_bf16, ForeachArgs<float>) { apply<bf16, Op>(args); }

XK_FOREACH(add, AddOp)
XK_FOREACH(sub, SubOp)
XK_FOREACH(mul, MulOp)
XK_FOREACH(div, DivOp)
XK_FOREACH(maximum, MaximumOp)
XK_FOREACH(minimum, MinimumOp)
XK_FOREACH(pow, PowOp)
XK_FOREACH(add_scalar, AddScalarOp)
XK_FOREACH(sub_scalar, SubScalarOp)
XK_FOREACH(mul_scalar, MulScalarOp)
XK_FOREACH(div_scalar, DivScalarOp)
XK_FOREACH(maximum_scalar, MaximumScalarOp)
XK_FOREACH(minimum_scalar, MinimumScalarOp)
XK_FOREACH(pow_scalar, PowScalarOp)
XK_FOREACH(scalar_pow, ScalarPowOp)
XK_FOREACH(addcmul, AddcmulOp)
XK_FOREACH(addcdiv, AddcdivOp)
XK_FOREACH(lerp, LerpOp)
XK_FOREACH(lerp_scalar, LerpScalarOp)
XK_FOREACH(abs, AbsOp)
XK_FOREACH(neg, NegOp)
XK_FOREACH(relu, ReluOp)
XK_FOREACH(sign, SignOp)
XK_FOREACH(sqrt, SqrtOp)
XK_FOREACH(rsqrt, RsqrtOp)
XK_FOREACH(reciprocal, ReciprocalOp)
XK_FOREACH(ceil, CeilOp)
XK_FOREACH(floor, FloorOp)
XK_FOREACH(round, RoundOp)
XK_FOREACH(trunc, TruncOp)
XK_FOREACH(frac, FracOp)

namespace {

template <class T>
inline void zero(const ForeachMoveArgs& args) {
  for_chunk(args.tensors, args.chunks,
            [&](const ForeachTensor<float>& t, int64_t first, int lane, int lanes, int n) {
              T* out = static_cast<T*>(t.out) + first;
              for (int i = lane; i < n; i += lanes) out[i] = T{0};
            });
}

template <class T>
inline void copy(const ForeachMoveArgs& args) {
  for_chunk(args.tensors, args.chunks,
            [&](const ForeachTensor<float>& t, int64_t first, int lane, int lanes, int n) {
              T* out = static_cast<T*>(t.out) + first;
              const T* a = static_cast<const T*>(t.a) + first;
              for (int i = lane; i < n; i += lanes) out[i] = a[i];
            });
}

} // namespace

#define XK_FOREACH_MOVE(suffix, T)                                     \
  XK(foreach_zero_##suffix, ForeachMoveArgs) { zero<T>(args); }        \
  XK(foreach_copy_##suffix, ForeachMoveArgs) { copy<T>(args); }
XK_FOREACH_MOVE(u8, uint8_t)
XK_FOREACH_MOVE(u16, uint16_t)
XK_FOREACH_MOVE(u32, uint32_t)
XK_FOREACH_MOVE(u64, uint64_t)
