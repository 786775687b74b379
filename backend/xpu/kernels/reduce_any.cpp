// any, and all (flag set: is none of them zero). The result is one byte, bool or
// uint8.

#include "backend/xpu/kernels/reduce.h"

namespace {

template <class T>
inline bool is_set(T x) {
  if constexpr (std::is_same_v<T, xk::c64> || std::is_same_v<T, xk::c128>) {
    return x.re != 0 || x.im != 0;
  } else if constexpr (std::is_same_v<T, xk::bf16> || std::is_same_v<T, xk::f16>) {
    return (sycl::bit_cast<uint16_t>(x) & 0x7fff) != 0;
  } else if constexpr (std::is_same_v<T, xk::b8>) {
    return x.byte != 0;
  } else {
    return x != 0;
  }
}

template <class T>
struct Any : xk::NumberOp<T, int32_t> {
  using Acc = int32_t;
  static constexpr bool kJoins = true;
  bool every;
  explicit Any(const xk::ReduceArgs& a) : every(a.flag != 0) {}
  Acc init() const { return 0; }
  Acc step(Acc acc, T x, int64_t) const { return acc | (is_set(x) != every ? 1 : 0); }
  Acc combine(Acc a, Acc b) const { return a | b; }
  Acc join(sycl::sub_group sg, Acc x) const {
    return sycl::reduce_over_group(sg, x, sycl::bit_or<Acc>());
  }
  void store(const xk::ReduceArgs& a, int64_t out, int64_t, Acc acc) const {
    static_cast<uint8_t*>(a.out)[out] = (acc != 0) != every;
  }
};

} // namespace

#define XK_SET(suffix, T) XK_REDUCE(any, suffix, Any<T>)

XK_SET(f32, float)
XK_SET(f64, double)
XK_SET(f16, xk::f16)
XK_SET(bf16, xk::bf16)
XK_SET(i64, int64_t)
XK_SET(i32, int32_t)
XK_SET(i16, int16_t)
XK_SET(i8, int8_t)
XK_SET(u8, uint8_t)
XK_SET(b8, xk::b8)
XK_SET(c64, xk::c64)
XK_SET(c128, xk::c128)
