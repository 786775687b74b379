// cumsum and cumprod.

#include "backend/xpu/kernels/scan.h"

namespace {

template <class T>
struct Scan {
  using Value = T;
  using Acc = xk::acc_t<T>;
  explicit Scan(const xk::ScanArgs&) {}
  static Acc get(T x, int64_t) { return xk::widen(x); }
  static Acc shift(sycl::sub_group sg, Acc x, uint32_t n) { return xk::shift_up(sg, x, n); }
  static Acc pick(sycl::sub_group sg, Acc x, uint32_t lane) { return xk::pick_lane(sg, x, lane); }
  static void put(const xk::ScanArgs& a, int64_t offset, Acc x) {
    static_cast<T*>(a.out)[offset] = xk::narrow<T>(x);
  }
};

template <class T>
struct Sum : Scan<T> {
  using Acc = typename Scan<T>::Acc;
  using Carry = std::conditional_t<std::is_floating_point_v<Acc>, xk::ExactCarry<Sum>,
                                   xk::PlainCarry<Sum>>;
  using Scan<T>::Scan;
  static Acc init() { return Acc{}; }
  static Acc combine(Acc a, Acc b) { return a + b; }
};

template <class T>
struct Product : Scan<T> {
  using Acc = typename Scan<T>::Acc;
  using Carry = xk::PlainCarry<Product>;
  using Scan<T>::Scan;
  static Acc init() { return Acc{1}; }
  static Acc combine(Acc a, Acc b) { return a * b; }
};

} // namespace

#define XK_SCANS(suffix, T)               \
  XK_SCAN(cumsum, suffix, Sum<T>)         \
  XK_SCAN(cumprod, suffix, Product<T>)

XK_SCANS(f32, float)
XK_SCANS(f64, double)
XK_SCANS(f16, xk::f16)
XK_SCANS(bf16, xk::bf16)
XK_SCANS(i64, int64_t)
XK_SCANS(i32, int32_t)
XK_SCANS(i16, int16_t)
XK_SCANS(i8, int8_t)
XK_SCANS(u8, uint8_t)
XK_SCANS(c64, xk::c64)
XK_SCANS(c128, xk::c128)
