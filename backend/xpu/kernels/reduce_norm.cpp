// Vector norms of order p. Which one is the flag: 0 counts what is not zero, 1
// sums absolute values, 2 is the root of the squares, 3 any other p, 4 the largest
// absolute value, 5 the smallest; 6 is the sum of |x|^p without the root. The
// result is real, in the input's width or as accumulated. The common one, and those
// that need pow(), are kernels of their own: a branch around a call in the inner
// loop would cost the others most of their speed.

#include "backend/xpu/kernels/reduce.h"

namespace {

template <class T> struct Real { using type = T; };
template <> struct Real<xk::c64> { using type = float; };
template <> struct Real<xk::c128> { using type = double; };

enum Which { kSquares, kPowers, kOthers };

template <class T, Which kWhich>
struct Norm {
  using Value = T;
  using Acc = xk::real_t<xk::acc_t<T>>;
  static constexpr bool kOwnFold = false, kPlainSum = kWhich != kOthers;
  static constexpr bool kArrays = false, kJoins = false;
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
    if constexpr (kWhich == kSquares) return acc + square(x);
    if constexpr (kWhich == kPowers) return acc + sycl::pow(magnitude(x), p);
    const Acc m = magnitude(x);
    if (kind == 0) return acc + (m != 0 ? Acc{1} : Acc{0});
    return combine(acc, m);
  }
  Acc combine(Acc a, Acc b) const {
    if (kWhich != kOthers || kind < 4) return a + b;
    const bool take = (kind == 5 ? b < a : b > a) || xk::is_nan(b);
    return take && !xk::is_nan(a) ? b : a;
  }
  void store(const xk::ReduceArgs& a, int64_t out, int64_t, Acc acc) const {
    if constexpr (kWhich == kSquares) acc = sycl::sqrt(acc);
    if constexpr (kWhich == kPowers) {
      if (kind == 3) acc = sycl::pow(acc, Acc{1} / p);
    }
    if constexpr (sizeof(xk::acc_t<T>) == sizeof(Acc)) {
      if (!a.wide_out) {
        static_cast<T*>(a.out)[out] = xk::narrow<T>(acc);
        return;
      }
    }
    static_cast<Acc*>(a.out)[out] = acc;
  }
};


template <class T> using Squares = Norm<T, kSquares>;
template <class T> using Powers = Norm<T, kPowers>;
template <class T> using Others = Norm<T, kOthers>;

} // namespace

#define XK_NORM(suffix, T)               \
  XK_REDUCE(norm2, suffix, Squares<T>)   \
  XK_REDUCE(norm_pow, suffix, Powers<T>) \
  XK_REDUCE(norm, suffix, Others<T>)

XK_NORM(f32, float)
XK_NORM(f64, double)
XK_NORM(f16, xk::f16)
XK_NORM(bf16, xk::bf16)
XK_NORM(c64, xk::c64)
XK_NORM(c128, xk::c128)
