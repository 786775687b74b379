#pragma once

// How two values that meet at one place are combined.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/sorted_apply_args.h"

namespace xk {

using xpu_lite::xpu::Combine;

template <class A>
inline A least(A a, A b) {
  if constexpr (std::is_same_v<A, float> || std::is_same_v<A, double>)
    return a != a || a < b ? a : b;
  else return a < b ? a : b;
}
template <class A>
inline A greatest(A a, A b) {
  if constexpr (std::is_same_v<A, float> || std::is_same_v<A, double>)
    return a != a || a > b ? a : b;
  else return a > b ? a : b;
}

template <Combine how, class A>
inline A combined(A a, A b) {
  if constexpr (how == Combine::Add) return a + b;
  else if constexpr (how == Combine::Multiply) return a * b;
  else if constexpr (how == Combine::Assign) return b;
  else if constexpr (std::is_same_v<A, c64> || std::is_same_v<A, c128>) return a; // no order
  else if constexpr (how == Combine::Min) return least(a, b);
  else return greatest(a, b);
}

} // namespace xk
