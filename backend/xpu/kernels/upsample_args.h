#pragma once

// Arguments of the resampling kernels. Every mode is the same sum: along each axis,
// output o takes `taps` inputs from first[o] on, with weights[o * taps + k]. The
// tables are made on the device once for each call.

#include <cstdint>

#include "backend/xpu/kernels/pool_args.h"

namespace xpu_lite::xpu {

enum class Resample : uint8_t {
  Identity,     // an axis that is not there
  Nearest,      // 1 tap
  NearestExact, // 1 tap
  Linear,       // 2 taps
  Cubic,        // 4 taps
  LinearSmooth, // antialiased: as many taps as the filter spans
  CubicSmooth,
};

template <class Real>
struct ResampleAxis {
  int32_t* first;  // of each output; never falls
  Real* weights;
  int64_t in, out;
  Real scale;      // inputs per output
  int32_t taps;
  Resample mode;
  uint8_t align_corners;
};

template <class Real>
struct ResampleTableArgs {
  ResampleAxis<Real> axes[3];
};

template <class Real>
struct ResampleArgs {
  void* out;
  const void* in;
  int64_t items; // elements of `out`
  PoolShape shape; // in, out, layout
  ResampleAxis<Real> axes[3];
};

} // namespace xpu_lite::xpu
