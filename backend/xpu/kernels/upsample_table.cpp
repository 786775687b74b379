// Where each output of a resampling reads, and with which weights.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/upsample_args.h"

using namespace xk;
using namespace xpu_lite::xpu;

namespace {

template <class Real>
inline Real cubic_near(Real x, Real a) {
  return ((a + Real(2)) * x - (a + Real(3))) * x * x + Real(1);
}
template <class Real>
inline Real cubic_far(Real x, Real a) {
  return ((a * x - Real(5) * a) * x + Real(8) * a) * x - Real(4) * a;
}

// The source coordinate of output o.
template <class Real>
inline Real source_of(const ResampleAxis<Real>& axis, int64_t o, bool cubic) {
  if (axis.align_corners) return axis.scale * static_cast<Real>(o);
  const Real at = axis.scale * (static_cast<Real>(o) + Real(0.5)) - Real(0.5);
  return !cubic && at < Real(0) ? Real(0) : at;
}

inline int64_t clamp(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

template <class Real>
inline void smooth(const ResampleAxis<Real>& axis, int64_t o, Real* weights) {
  const bool cubic = axis.mode == Resample::CubicSmooth;
  const Real size = cubic ? Real(4) : Real(2);
  const bool shrinks = axis.scale >= Real(1);
  const Real support = shrinks ? size * Real(0.5) * axis.scale : size * Real(0.5);
  const Real narrow = shrinks ? Real(1) / axis.scale : Real(1);
  const Real centre = axis.scale * (static_cast<Real>(o) + Real(0.5));
  const int64_t low = static_cast<int64_t>(centre - support + Real(0.5));
  const int64_t high = static_cast<int64_t>(centre + support + Real(0.5));
  const int64_t first = low > 0 ? low : 0, last = high < axis.in ? high : axis.in;
  axis.first[o] = static_cast<int32_t>(first);
  Real total = 0;
  for (int64_t k = 0; k < axis.taps; ++k) {
    Real weight = 0;
    if (first + k < last) {
      const Real x = sycl::fabs((static_cast<Real>(first + k) - centre + Real(0.5)) * narrow);
      if (!cubic) weight = x < Real(1) ? Real(1) - x : Real(0);
      else if (x < Real(1)) weight = cubic_near(x, Real(-0.5));
      else if (x < Real(2)) weight = cubic_far(x, Real(-0.5));
    }
    weights[k] = weight;
    total += weight;
  }
  if (total != Real(0)) {
    for (int64_t k = 0; k < axis.taps; ++k) weights[k] /= total;
  }
}

template <class Real>
inline void entry(const ResampleAxis<Real>& axis, int64_t o) {
  Real* weights = axis.weights + o * axis.taps;
  switch (axis.mode) {
    case Resample::Identity:
      axis.first[o] = static_cast<int32_t>(o);
      weights[0] = Real(1);
      return;
    case Resample::Nearest:
    case Resample::NearestExact: {
      const Real at = axis.mode == Resample::Nearest
                          ? axis.scale * static_cast<Real>(o)
                          : source_of(axis, o, false) + Real(0.5);
      const int64_t i = static_cast<int64_t>(sycl::floor(at));
      axis.first[o] = static_cast<int32_t>(i < axis.in - 1 ? i : axis.in - 1);
      weights[0] = Real(1);
      return;
    }
    case Resample::Linear: {
      const Real at = source_of(axis, o, false);
      const int64_t i = clamp(static_cast<int64_t>(at), 0, axis.in - 1);
      Real t = at - static_cast<Real>(i);
      t = t < Real(0) ? Real(0) : t > Real(1) ? Real(1) : t;
      axis.first[o] = static_cast<int32_t>(i);
      const bool end = i == axis.in - 1; // the second tap would be the first again
      weights[0] = end ? Real(1) : Real(1) - t;
      weights[1] = end ? Real(0) : t;
      return;
    }
    case Resample::Cubic: {
      const Real at = source_of(axis, o, true);
      const Real floor = sycl::floor(at), t = at - floor;
      const int64_t i = static_cast<int64_t>(floor);
      const int64_t first = clamp(i - 1, 0, axis.in > 4 ? axis.in - 4 : 0);
      axis.first[o] = static_cast<int32_t>(first);
      const Real a = Real(-0.75);
      const Real near[4] = {cubic_far(t + Real(1), a), cubic_near(t, a),
                            cubic_near(Real(1) - t, a), cubic_far(Real(2) - t, a)};
#pragma unroll
      for (int k = 0; k < 4; ++k) weights[k] = Real(0);
#pragma unroll
      for (int k = 0; k < 4; ++k) weights[clamp(i - 1 + k, 0, axis.in - 1) - first] += near[k];
      return;
    }
    default: return smooth(axis, o, weights);
  }
}

template <class Real>
inline void table(const ResampleTableArgs<Real>& args) {
  const auto it = item();
  const int64_t step = static_cast<int64_t>(it.get_global_range(0));
#pragma unroll
  for (int d = 0; d < 3; ++d) {
    const ResampleAxis<Real>& axis = args.axes[d];
    for (int64_t o = static_cast<int64_t>(it.get_global_id(0)); o < axis.out; o += step) {
      entry(axis, o);
    }
  }
}

} // namespace

XK(upsample_table_f32, ResampleTableArgs<float>) { table<float>(args); }
XK(upsample_table_f64, ResampleTableArgs<double>) { table<double>(args); }
