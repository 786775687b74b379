#pragma once

// Conversion of elements as the CPU does it. ew_cast_<from>_<to>: a type of its own
// for each pair of the common types; the others go through one of them (see
// ops/elementwise_copy.cpp).

#include "backend/xpu/kernels/elementwise.h"
#include "backend/xpu/kernels/wide_integer.h"

namespace xk {

template <class To, class From>
inline To convert(From v) {
  if constexpr (std::is_same_v<To, type::b8>) return narrow<To>(widen<compute_t<From>>(v));
  else if constexpr (std::is_same_v<From, type::b8>) return narrow<To>(compute_t<To>(v.byte != 0));
  else if constexpr (is_complex<From> && !is_complex<To>) return To(v.re);
  else if constexpr (is_complex<To> && !is_complex<From>) return To(typename To::real_type(v));
  else if constexpr (std::is_integral_v<To> && !std::is_integral_v<From>) {
    // Through int64: defined for negative numbers, too, which wrap.
    using Wide = std::conditional_t<(sizeof(To) < 4 || std::is_unsigned_v<To>), int64_t, To>;
    return To(Wide(widen<compute_t<From>>(v)));
  } else if constexpr (std::is_same_v<To, bf16> || std::is_same_v<To, f16>) {
    return narrow<To>(float_from<float>(widen<compute_t<From>>(v)));
  } else {
    return float_from<To>(widen<compute_t<From>>(v));
  }
}

template <class To, class From>
inline void cast_rows(const EwArgs& a) {
  const auto it = item();
  uint32_t chunk = it.get_group_linear_id();
  int64_t offset[2] = {};
  if (a.dims != 0) {
    const uint32_t row = divide(chunk, a.chunks);
    chunk -= row * a.chunks.size;
    offsets<0>(a, row, offset, std::index_sequence<0, 1>());
  }
  const size_t i = size_t(chunk) * it.get_local_range(0) + it.get_local_id(0);
  if (i >= a.items) return;
  const From* from = reinterpret_cast<const From*>(a.ptr[1] + offset[1]);
  To* to = reinterpret_cast<To*>(a.ptr[0] + offset[0]);
  const From* moving = reinterpret_cast<const From*>(a.base[1] + (offset[1] & a.mask[1]));
  if (a.mode[1] == xpu_lite::xpu::kMoves) write(to + i, convert<To>(read(moving + i)));
  else write(to + i, convert<To>(opaque(*from, a.zero)));
}

} // namespace xk

#define EW_CAST(from, to) \
  XK(ew_cast_##from##_##to, xpu_lite::xpu::EwArgs) { \
    xk::cast_rows<xk::type::to, xk::type::from>(args); \
  }
#define EW_CASTS_FROM(t) \
  EW_CAST(t, f32) EW_CAST(t, f64) EW_CAST(t, f16) EW_CAST(t, bf16) EW_CAST(t, i64) \
  EW_CAST(t, i32) EW_CAST(t, i16) EW_CAST(t, i8) EW_CAST(t, u8) EW_CAST(t, b8)
