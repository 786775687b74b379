// Minimum (flag set) or maximum with its place in the reduced dimension; of equal
// ones, and of NaN, the first. Either result may be left out.

#include "backend/xpu/kernels/reduce.h"

namespace {

template <class T>
struct ExtremeIndex {
  using Value = T;
  using Number = xk::acc_t<T>;
  struct Acc {
    Number value;
    int64_t index; // -1: nothing seen yet
  };
  static constexpr bool kOwnFold = false, kPlainSum = false;
  static constexpr int kColumns = 4;
  bool least;
  explicit ExtremeIndex(const xk::ReduceArgs& a) : least(a.flag != 0) {}

  Acc init() const { return {Number{}, -1}; }
  bool beats(Number b, Number a) const {
    if (xk::is_nan(a)) return false;
    return (least ? b < a : b > a) || xk::is_nan(b);
  }
  // Indices rise along a chain: what comes later must be better to win.
  Acc step(Acc acc, T x, int64_t index) const {
    const Number v = xk::widen(x);
    const bool take = acc.index < 0 || beats(v, acc.value);
    return {take ? v : acc.value, take ? index : acc.index};
  }
  Acc combine(Acc a, Acc b) const {
    if (b.index < 0) return a;
    if (a.index < 0) return b;
    const bool take = beats(b.value, a.value) ||
                      (!beats(a.value, b.value) && b.index < a.index);
    return {take ? b.value : a.value, take ? b.index : a.index};
  }
  static Acc shuffle(sycl::sub_group sg, Acc x, uint32_t mask) {
    return {xk::exchange(sg, x.value, mask), xk::exchange(sg, x.index, mask)};
  }
  void store(const xk::ReduceArgs& a, int64_t out, int64_t out2, Acc acc) const {
    if (a.out) static_cast<T*>(a.out)[out] = xk::narrow<T>(acc.value);
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
