// Sums and means: the divisor is 1 for a sum.

#include "backend/xpu/kernels/reduce.h"

namespace {

template <class T>
struct Sum : xk::NumberOp<T, xk::acc_t<T>> {
  using Base = xk::NumberOp<T, xk::acc_t<T>>;
  using Acc = typename Base::Acc;
  static constexpr bool kPlainSum = std::is_arithmetic_v<Acc>;
  explicit Sum(const xk::ReduceArgs&) {}
  Acc init() const { return Acc{}; }
  Acc step(Acc acc, T x, int64_t) const { return acc + xk::widen(x); }
  Acc combine(Acc a, Acc b) const { return a + b; }
  void store(const xk::ReduceArgs& a, int64_t out, int64_t, Acc acc) const {
    if constexpr (!std::is_integral_v<Acc>) {
      if (a.flag) acc = acc / xk::number<xk::real_t<Acc>>(a); // a mean
    }
    Base::put(a, out, acc);
  }
};

} // namespace

XK_REDUCE(sum, f32, Sum<float>)
XK_REDUCE(sum, f64, Sum<double>)
XK_REDUCE(sum, f16, Sum<xk::f16>)
XK_REDUCE(sum, bf16, Sum<xk::bf16>)
XK_REDUCE(sum, i64, Sum<int64_t>)
XK_REDUCE(sum, i32, Sum<int32_t>)
XK_REDUCE(sum, i16, Sum<int16_t>)
XK_REDUCE(sum, i8, Sum<int8_t>)
XK_REDUCE(sum, u8, Sum<uint8_t>)
XK_REDUCE(sum, b8, Sum<xk::b8>)
XK_REDUCE(sum, c64, Sum<xk::c64>)
XK_REDUCE(sum, c128, Sum<xk::c128>)
