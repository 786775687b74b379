// Minimum (flag set) and maximum. A NaN wins over every number.

#include "backend/xpu/kernels/reduce.h"

namespace {

// Numbers are compared in a form in which the greatest is looked for, whichever it is.
template <class T>
using Form = std::conditional_t<!std::is_integral_v<xk::acc_t<T>>, xk::acc_t<T>,
                                std::conditional_t<sizeof(T) == 8, int64_t, int32_t>>;

template <class T>
struct Extreme : xk::NumberOp<T, Form<T>> {
  using Base = xk::NumberOp<T, Form<T>>;
  using Acc = typename Base::Acc;
  static constexpr bool kJoins = true;
  bool least;
  explicit Extreme(const xk::ReduceArgs& a) : least(a.flag != 0) {}
  static Acc lowest() {
    if constexpr (std::is_integral_v<Acc>) return std::numeric_limits<Acc>::min();
    else return -std::numeric_limits<Acc>::infinity();
  }
  Acc turned(Acc x) const {
    if constexpr (std::is_integral_v<Acc>) return least ? ~x : x;
    else return least ? -x : x;
  }
  Acc init() const { return lowest(); }
  Acc step(Acc acc, T x, int64_t) const {
    return combine(acc, turned(static_cast<Acc>(xk::widen(x))));
  }
  // Not less or equal is greater, or not a number.
  Acc combine(Acc a, Acc b) const { return (!(b <= a) & !xk::is_nan(a)) ? b : a; }
  Acc join(sycl::sub_group sg, Acc x) const {
    const Acc most = sycl::reduce_over_group(sg, xk::is_nan(x) ? lowest() : x,
                                             sycl::maximum<Acc>());
    if constexpr (std::is_integral_v<Acc>) return most;
    else return sycl::any_of_group(sg, xk::is_nan(x)) ? std::numeric_limits<Acc>::quiet_NaN() : most;
  }
  void store(const xk::ReduceArgs& a, int64_t out, int64_t, Acc acc) const {
    static_cast<T*>(a.out)[out] = xk::narrow<T>(static_cast<xk::acc_t<T>>(turned(acc)));
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
