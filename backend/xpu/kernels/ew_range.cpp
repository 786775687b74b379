// Ranges of numbers: the value is made of the index.

#include "backend/xpu/kernels/elementwise.h"

namespace {

using xpu_lite::xpu::EwArgs;

// A number of twice the type's precision, as CPUs have it with double for float:
// start p(0) + p(1), step p(2) + p(3).
template <class T>
inline T at_index(const EwArgs& a, size_t i) {
  if constexpr (std::is_integral_v<T>) {
    return T(xk::decode<T>(a.param[0]) + xk::decode<T>(a.param[2]) * T(i));
  } else {
    const T start = xk::decode<T>(a.param[0]), step = xk::decode<T>(a.param[2]);
    const T n = T(i), product = step * n, rest = sycl::fma(step, n, -product);
    const T sum = start + product, back = sum - start;
    const T lost = (start - (sum - back)) + (product - back);
    return sum + (lost + rest + xk::decode<T>(a.param[1]) + xk::decode<T>(a.param[3]) * n);
  }
}

template <class T>
inline void range(const EwArgs& a) {
  const size_t i = xk::item().get_global_linear_id();
  if (i >= a.items) return;
  reinterpret_cast<T*>(a.ptr[0])[i] = xk::narrow<T>(at_index<xk::compute_t<T>>(a, i));
}

// From both ends to the middle: start p(0), step p(1), end p(2).
template <class T>
inline void linear(const EwArgs& a) {
  using C = xk::compute_t<T>;
  const size_t i = xk::item().get_global_linear_id();
  if (i >= a.items) return;
  const C start = xk::decode<C>(a.param[0]), step = xk::decode<C>(a.param[1]);
  const C end = xk::decode<C>(a.param[2]);
  C value;
  if constexpr (xk::is_complex<C>) {
    using R = typename C::real_type;
    value = i < a.items / 2 ? start + step * R(i) : end - step * R(a.items - i - 1);
  } else {
    value = i < a.items / 2 ? start + step * C(i) : end - step * C(a.items - i - 1);
  }
  reinterpret_cast<T*>(a.ptr[0])[i] = xk::narrow<T>(value);
}

} // namespace

#define EW_RANGE(t) XK(ew_range_##t, EwArgs) { range<xk::type::t>(args); }
#define EW_LINEAR(t) XK(ew_linear_##t, EwArgs) { linear<xk::type::t>(args); }
EW_RANGE(f32) EW_RANGE(f64) EW_RANGE(f16) EW_RANGE(bf16)
EW_RANGE(i64) EW_RANGE(i32) EW_RANGE(i16) EW_RANGE(i8) EW_RANGE(u8)
EW_LINEAR(f32) EW_LINEAR(f64) EW_LINEAR(f16) EW_LINEAR(bf16) EW_LINEAR(c64) EW_LINEAR(c128)
