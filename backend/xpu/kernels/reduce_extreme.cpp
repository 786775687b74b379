// Minimum (flag set) and maximum. A NaN wins over every number.

#include "backend/xpu/kernels/reduce.h"

namespace {

template <class T>
struct Extreme : xk::NumberOp<T, xk::acc_t<T>> {
  using Base = xk::NumberOp<T, xk::acc_t<T>>;
  using Acc = typename Base::Acc;
  bool least;
  explicit Extreme(const xk::ReduceArgs& a) : least(a.flag != 0) {}
  Acc init() const {
    if constexpr (std::is_integral_v<Acc>) {
      return least ? std::numeric_limits<Acc>::max() : std::numeric_limits<Acc>::min();
    } else {
      const Acc inf = std::numeric_limits<Acc>::infinity();
      return least ? inf : -inf;
    }
  }
  Acc step(Acc acc, T x, int64_t) const { return combine(acc, xk::widen(x)); }
  Acc combine(Acc a, Acc b) const {
    const bool take = (least ? b < a : b > a) || xk::is_nan(b);
    return take && !xk::is_nan(a) ? b : a;
  }
  void store(const xk::ReduceArgs& a, int64_t out, int64_t, Acc acc) const {
    Base::put(a, out, acc);
  }
};

} // namespace

XK_REDUCE(extreme, f32, Extreme<float>)
XK_REDUCE(extreme, f64, Extreme<double>)
XK_REDUCE(extreme, f16, Extreme<xk::f16>)
XK_REDUCE(extreme, bf16, Extreme<xk::bf16>)
XK_REDUCE(extreme, i64, Extreme<int64_t>)
XK_REDUCE(extreme, i32, Extreme<int32_t>)
XK_REDUCE(extreme, i16, Extreme<int16_t>)
XK_REDUCE(extreme, i8, Extreme<int8_t>)
XK_REDUCE(extreme, u8, Extreme<uint8_t>)
XK_REDUCE(extreme, b8, Extreme<xk::b8>)
