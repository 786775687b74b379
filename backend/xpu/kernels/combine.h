#pragma once

// How two values that meet at one place are combined. `how` is a value, not a template
// argument: the walk around it divides in 64 bits, which a GPU's compiler expands in place,
// and a copy of it for each way made kernels that took it a minute to build.

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

template <class A>
inline A combined(Combine how, A a, A b) {
  switch (how) {
    case Combine::Add: return a + b;
    case Combine::Multiply: return a * b;
    case Combine::Assign: return b;
    case Combine::Min:
      if constexpr (std::is_same_v<A, c64> || std::is_same_v<A, c128>) return a; // no order
      else return least(a, b);
    case Combine::Max:
      if constexpr (std::is_same_v<A, c64> || std::is_same_v<A, c128>) return a;
      else return greatest(a, b);
  }
  return a;
}

} // namespace xk
