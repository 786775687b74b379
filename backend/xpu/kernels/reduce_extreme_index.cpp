// Minimum (flag set) or maximum with its place in the reduced dimension; of equal
// ones, and of NaN, the first. Either result may be left out.

#include "backend/xpu/kernels/reduce.h"

namespace {

// Numbers are compared in a form in which the greatest is looked for, whichever it is.
// Before anything is seen that is the lowest number, at place 0: where nothing beats it,
// all are equal to it.
template <class T>
struct ExtremeIndex {
  using Value = T;
  using Number =
      std::conditional_t<!std::is_integral_v<xk::acc_t<T>>, xk::acc_t<T>,
                         std::conditional_t<sizeof(T) == 8, int64_t, int32_t>>;
  struct Acc {
    Number value;
    int64_t index;
  };
  static constexpr bool kOwnFold = false, kPlainSum = false, kArrays = true, kJoins = true;
  static constexpr int kColumns = 4;
  bool least;
  explicit ExtremeIndex(const xk::ReduceArgs& a) : least(a.flag != 0) {}

  static Number lowest() {
    if constexpr (std::is_integral_v<Number>) return std::numeric_limits<Number>::min();
    else return -std::numeric_limits<Number>::infinity();
  }
  Number turned(Number x) const {
    if constexpr (std::is_integral_v<Number>) return least ? ~x : x;
    else return least ? -x : x;
  }
  Acc init() const { return {lowest(), 0}; }
  // Not less or equal is greater, or not a number.
  static bool beats(Number b, Number a) { return !(b <= a) & !xk::is_nan(a); }
  // Indices rise along a chain: what comes later must be better to win.
  Acc step(Acc acc, T x, int64_t index) const {
    const Number v = turned(static_cast<Number>(xk::widen(x)));
    const bool take = beats(v, acc.value);
    return {take ? v : acc.value, take ? index : acc.index};
  }
  Acc combine(Acc a, Acc b) const {
    const bool take = beats(b.value, a.value) |
                      (!beats(a.value, b.value) & (b.index < a.index));
    return {take ? b.value : a.value, take ? b.index : a.index};
  }
  Acc join(sycl::sub_group sg, Acc x) const {
    const bool nan = xk::is_nan(x.value), any = sycl::any_of_group(sg, nan);
    const Number most =
        sycl::reduce_over_group(sg, nan ? lowest() : x.value, sycl::maximum<Number>());
    const bool best = any ? nan : x.value == most;
    const int64_t index =
        sycl::reduce_over_group(sg, best ? x.index : std::numeric_limits<int64_t>::max(),
                                sycl::minimum<int64_t>());
    if constexpr (std::is_integral_v<Number>) return {most, index};
    else return {any ? std::numeric_limits<Number>::quiet_NaN() : most, index};
  }
  static int64_t* indices(const void* partial, int64_t n) {
    return static_cast<int64_t*>(const_cast<void*>(partial)) + n;
  }
  static void save(void* partial, int64_t n, int64_t i, Acc x) {
    static_cast<Number*>(partial)[i] = x.value;
    indices(partial, n)[i] = x.index;
  }
  static Acc load(const void* partial, int64_t n, int64_t i) {
    return {static_cast<const Number*>(partial)[i], indices(partial, n)[i]};
  }
  void store(const xk::ReduceArgs& a, int64_t out, int64_t out2, Acc acc) const {
    if (a.out)
      static_cast<T*>(a.out)[out] = xk::narrow<T>(static_cast<xk::acc_t<T>>(turned(acc.value)));
    if (a.out2) static_cast<int64_t*>(a.out2)[out2] = acc.index;
  }
};

} // namespace

XK_REDUCE(extreme_index, f32, ExtremeIndex<float>)
XK_REDUCE(extreme_index, f64, ExtremeIndex<double>)
XK_REDUCE(extreme_index, f16, ExtremeIndex<xk::f16>)
XK_REDUCE(extreme_index, bf16, ExtremeIndex<xk::bf16>)
XK_REDUCE(extreme_index, i64, ExtremeIndex<int64_t>)
XK_REDUCE(extreme_index, i32, ExtremeIndex<int32_t>)
XK_REDUCE(extreme_index, i16, ExtremeIndex<int16_t>)
XK_REDUCE(extreme_index, i8, ExtremeIndex<int8_t>)
XK_REDUCE(extreme_index, u8, ExtremeIndex<uint8_t>)
XK_REDUCE(extreme_index, b8, ExtremeIndex<xk::b8>)
