// cummin (flag set) and cummax with places: of equal ones, and of NaN, the last.
// And logcumsumexp.

#include "backend/xpu/kernels/scan.h"

namespace {

template <class T>
struct Extreme {
  using Value = T;
  using Number = xk::acc_t<T>;
  struct Acc {
    Number value;
    int64_t index; // -1: nothing seen yet
  };
  using Carry = xk::PlainCarry<Extreme>;
  bool least;
  explicit Extreme(const xk::ScanArgs& a) : least(a.flag != 0) {}
  static Acc init() { return {Number{}, -1}; }
  static Acc get(T x, int64_t index) { return {xk::widen(x), index}; }
  Acc combine(Acc a, Acc b) const {
    if (a.index < 0) return b;
    if (b.index < 0) return a;
    const bool better = least ? b.value <= a.value : b.value >= a.value;
    const bool take = xk::is_nan(b.value) || (better && !xk::is_nan(a.value));
    return {take ? b.value : a.value, take ? b.index : a.index};
  }
  static Acc shift(sycl::sub_group sg, Acc x, uint32_t n) {
    return {xk::shift_up(sg, x.value, n), xk::shift_up(sg, x.index, n)};
  }
  static Acc pick(sycl::sub_group sg, Acc x, uint32_t lane) {
    return {xk::pick_lane(sg, x.value, lane), xk::pick_lane(sg, x.index, lane)};
  }
  static void put(const xk::ScanArgs& a, int64_t offset, Acc x) {
    static_cast<T*>(a.out)[offset] = xk::narrow<T>(x.value);
    a.index[offset] = x.index;
  }
};

template <class T>
struct LogSum {
  using Value = T;
  using Acc = xk::acc_t<T>;
  using Carry = xk::PlainCarry<LogSum>;
  explicit LogSum(const xk::ScanArgs&) {}
  static Acc init() { return -std::numeric_limits<Acc>::infinity(); }
  static Acc get(T x, int64_t) { return xk::widen(x); }
  static Acc combine(Acc a, Acc b) {
    const Acc least = b < a ? b : a, most = b < a ? a : b;
    if (xk::is_nan(a)) return a;
    if (xk::is_nan(b)) return b;
    if (least == most && sycl::isinf(most)) return most;
    return most + sycl::log1p(sycl::exp(least - most));
  }
  static Acc shift(sycl::sub_group sg, Acc x, uint32_t n) { return xk::shift_up(sg, x, n); }
  static Acc pick(sycl::sub_group sg, Acc x, uint32_t lane) { return xk::pick_lane(sg, x, lane); }
  static void put(const xk::ScanArgs& a, int64_t offset, Acc x) {
    static_cast<T*>(a.out)[offset] = xk::narrow<T>(x);
  }
};

} // namespace

XK_SCAN(cumextreme, f32, Extreme<float>)
XK_SCAN(cumextreme, f64, Extreme<double>)
XK_SCAN(cumextreme, f16, Extreme<xk::f16>)
XK_SCAN(cumextreme, bf16, Extreme<xk::bf16>)
XK_SCAN(cumextreme, i64, Extreme<int64_t>)
XK_SCAN(cumextreme, i32, Extreme<int32_t>)
XK_SCAN(cumextreme, i16, Extreme<int16_t>)
XK_SCAN(cumextreme, i8, Extreme<int8_t>)
XK_SCAN(cumextreme, u8, Extreme<uint8_t>)
XK_SCAN(cumextreme, b8, Extreme<xk::b8>)
XK_SCAN(logcumsumexp, f32, LogSum<float>)
XK_SCAN(logcumsumexp, f64, LogSum<double>)
XK_SCAN(logcumsumexp, f16, LogSum<xk::f16>)
XK_SCAN(logcumsumexp, bf16, LogSum<xk::bf16>)
