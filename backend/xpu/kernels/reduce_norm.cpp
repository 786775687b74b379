// Vector norms of order p. Which one is the flag: 0 counts what is not zero, 1
// sums absolute values, 2 is the root of the squares, 3 any other p, 4 the largest
// absolute value, 5 the smallest; 6 is the sum of |x|^p without the root. The
// result is real, in the input's width or as accumulated.

#include "backend/xpu/kernels/reduce.h"

namespace {

template <class T> struct Real { using type = T; };
template <> struct Real<xk::c64> { using type = float; };
template <> struct Real<xk::c128> { using type = double; };

template <class T>
struct Norm {
  using Value = T;
  using Acc = xk::real_t<xk::acc_t<T>>;
  static constexpr bool kOwnFold = false, kPlainSum = false;
  static constexpr int kColumns = 4;
  int kind;
  Acc p;
  explicit Norm(const xk::ReduceArgs& a) : kind(a.flag), p(xk::number<Acc>(a)) {}

  static Acc shuffle(sycl::sub_group sg, Acc x, uint32_t mask) {
    return xk::exchange(sg, x, mask);
  }
  Acc init() const { return kind == 5 ? std::numeric_limits<Acc>::infinity() : Acc{}; }
  static Acc magnitude(T x) {
    const auto v = xk::widen(x);
    if constexpr (std::is_same_v<T, xk::c64> || std::is_same_v<T, xk::c128>) {
      return sycl::hypot(v.re, v.im);
    } else {
      return sycl::fabs(v);
    }
  }
  static Acc square(T x) {
    const auto v = xk::widen(x);
    if constexpr (std::is_same_v<T, xk::c64> || std::is_same_v<T, xk::c128>) {
      return v.re * v.re + v.im * v.im;
    } else {
      return v * v;
    }
  }
  Acc step(Acc acc, T x, int64_t) const {
    switch (kind) {
      case 0: return acc + (magnitude(x) != 0 ? Acc{1} : Acc{0});
      case 1: return acc + magnitude(x);
      case 2: return acc + square(x);
      case 3:
      case 6: return acc + sycl::pow(magnitude(x), p);
      default: return combine(acc, magnitude(x));
    }
  }
  Acc combine(Acc a, Acc b) const {
    if (kind < 4 || kind == 6) return a + b;
    const bool take = (kind == 5 ? b < a : b > a) || xk::is_nan(b);
    return take && !xk::is_nan(a) ? b : a;
  }
  void store(const xk::ReduceArgs& a, int64_t out, int64_t, Acc acc) const {
    if (kind == 2) acc = sycl::sqrt(acc);
    if (kind == 3) acc = sycl::pow(acc, Acc{1} / p);
    if constexpr (sizeof(xk::acc_t<T>) == sizeof(Acc)) {
      if (!a.wide_out) {
        static_cast<T*>(a.out)[out] = xk::narrow<T>(acc);
        return;
      }
    }
    static_cast<Acc*>(a.out)[out] = acc;
  }
};

} // namespace

XK_REDUCE(norm, f32, Norm<float>)
XK_REDUCE(norm, f64, Norm<double>)
XK_REDUCE(norm, f16, Norm<xk::f16>)
XK_REDUCE(norm, bf16, Norm<xk::bf16>)
XK_REDUCE(norm, c64, Norm<xk::c64>)
XK_REDUCE(norm, c128, Norm<xk::c128>)
