#pragma once

// Distances between rows on a SYCL device; pointers are the engine's, layouts as in
// kernels/distance_args.h. Real: float or double.

#include "backend/runtime/stream.h"
#include "backend/xpu/kernels/distance_args.h"

namespace xpu_lite::xpu {

// Sets `norm` from `p`.
template <class Real>
void distances(Stream& stream, DistanceArgs<Real> args);
template <class Real>
void distances_backward(Stream& stream, DistanceArgs<Real> args);

} // namespace xpu_lite::xpu
