#pragma once

// Arguments of the distances between rows (cdist) and their gradient. Plain C++.

#include <cstdint>

namespace xpu_lite::xpu {

enum class DistanceNorm : int32_t { Zero, One, Two, Infinite, Other };

// x1 [batch][rows1][columns], x2 [batch][rows2][columns], distances and their gradient
// [batch][rows1][rows2]; all dense. Real: the type of the elements.
template <class Real>
struct DistanceArgs {
  const Real* x1;
  const Real* x2;
  Real* out; // distances; backward: x1's gradient
  const Real* grad;
  const Real* distance;
  int64_t batch, rows1, rows2, columns;
  Real p;
  DistanceNorm norm;
};

} // namespace xpu_lite::xpu
