// Products, and sums that pass over NaN.

#include "backend/xpu/kernels/reduce.h"

namespace {

template <class T>
struct Product : xk::NumberOp<T, xk::acc_t<T>> {
  using Base = xk::NumberOp<T, xk::acc_t<T>>;
  using Acc = typename Base::Acc;
  explicit Product(const xk::ReduceArgs&) {}
  Acc init() const { return Acc{1}; }
  Acc step(Acc acc, T x, int64_t) const { return acc * xk::widen(x); }
  Acc combine(Acc a, Acc b) const { return a * b; }
  void store(const xk::ReduceArgs& a, int64_t out, int64_t, Acc acc) const {
    Base::put(a, out, acc);
  }
};

template <class T>
struct NanSum : xk::NumberOp<T, xk::acc_t<T>> {
  using Base = xk::NumberOp<T, xk::acc_t<T>>;
  using Acc = typename Base::Acc;
  static constexpr bool kPlainSum = true;
  explicit NanSum(const xk::ReduceArgs&) {}
  Acc init() const { return Acc{}; }
  Acc step(Acc acc, T x, int64_t) const {
    const Acc v = xk::widen(x);
    return acc + (xk::is_nan(v) ? Acc{} : v);
  }
  Acc combine(Acc a, Acc b) const { return a + b; }
  void store(const xk::ReduceArgs& a, int64_t out, int64_t, Acc acc) const {
    Base::put(a, out, acc);
  }
};

} // namespace

XK_REDUCE(prod, f32, Product<float>)
XK_REDUCE(prod, f64, Product<double>)
XK_REDUCE(prod, f16, Product<xk::f16>)
XK_REDUCE(prod, bf16, Product<xk::bf16>)
XK_REDUCE(prod, i64, Product<int64_t>)
XK_REDUCE(prod, i32, Product<int32_t>)
XK_REDUCE(prod, i16, Product<int16_t>)
XK_REDUCE(prod, i8, Product<int8_t>)
XK_REDUCE(prod, u8, Product<uint8_t>)
XK_REDUCE(prod, b8, Product<xk::b8>)
XK_REDUCE(prod, c64, Product<xk::c64>)
XK_REDUCE(prod, c128, Product<xk::c128>)
XK_REDUCE(nansum, f32, NanSum<float>)
XK_REDUCE(nansum, f64, NanSum<double>)
XK_REDUCE(nansum, f16, NanSum<xk::f16>)
XK_REDUCE(nansum, bf16, NanSum<xk::bf16>)
