// Distances between the rows of two matrices, in any norm, and the gradient of one.

#include "backend/xpu/kernels/device.h"
#include "backend/xpu/kernels/distance_args.h"

using namespace xk;
using namespace xpu_lite::xpu;

namespace {

template <DistanceNorm norm, class A>
inline A add_to(A sum, A d, A p) {
  d = sycl::fabs(d);
  if constexpr (norm == DistanceNorm::Zero) return sum + (d != A(0) ? A(1) : A(0));
  else if constexpr (norm == DistanceNorm::One) return sum + d;
  else if constexpr (norm == DistanceNorm::Two) return sum + d * d;
  else if constexpr (norm == DistanceNorm::Infinite) return d > sum || d != d ? d : sum;
  else return sum + sycl::pow(d, p);
}

template <DistanceNorm norm, class A>
inline void distances_as(const DistanceArgs<A>& a) {
  auto it = item();
  const int64_t pairs = a.rows1 * a.rows2, total = a.batch * pairs;
  for (int64_t k = it.get_global_id(0); k < total; k += it.get_global_range(0)) {
    const int64_t b = k / pairs, pair = k - b * pairs;
    const int64_t i = pair / a.rows2, j = pair - i * a.rows2;
    const A* x = a.x1 + (b * a.rows1 + i) * a.columns;
    const A* y = a.x2 + (b * a.rows2 + j) * a.columns;
    A sum = 0;
    for (int64_t c = 0; c < a.columns; ++c) sum = add_to<norm>(sum, x[c] - y[c], a.p);
    if constexpr (norm == DistanceNorm::Two) sum = sycl::sqrt(sum);
    if constexpr (norm == DistanceNorm::Other) sum = sycl::pow(sum, 1 / a.p);
    a.out[k] = sum;
  }
}

// The derivative of a distance by one difference, times its gradient.
template <class A>
inline A slope(DistanceNorm norm, A d, A grad, A distance, A p) {
  const A sign = d > A(0) ? A(1) : d < A(0) ? A(-1) : A(0);
  switch (norm) {
    case DistanceNorm::Zero: return 0;
    case DistanceNorm::One: return grad * sign;
    case DistanceNorm::Two: return distance == A(0) ? A(0) : grad * d / distance;
    case DistanceNorm::Infinite: return sycl::fabs(d) == distance ? grad * sign : A(0);
    default:
      if (distance == A(0) || (d == A(0) && p < A(1))) return 0;
      return sign * sycl::pow(sycl::fabs(d), p - 1) * grad / sycl::pow(distance, p - 1);
  }
}

template <class A>
inline void gradient(const DistanceArgs<A>& a) {
  auto it = item();
  const int64_t matrix = a.rows1 * a.columns, total = a.batch * matrix;
  for (int64_t k = it.get_global_id(0); k < total; k += it.get_global_range(0)) {
    const int64_t b = k / matrix, place = k - b * matrix;
    const int64_t i = place / a.columns, c = place - i * a.columns;
    const A x = a.x1[k];
    const A* y = a.x2 + b * a.rows2 * a.columns + c;
    const int64_t row = (b * a.rows1 + i) * a.rows2;
    A sum = 0;
    for (int64_t j = 0; j < a.rows2; ++j) {
      sum += slope(a.norm, x - y[j * a.columns], a.grad[row + j], a.distance[row + j], a.p);
    }
    a.out[k] = sum;
  }
}

template <class A>
inline void distances(const DistanceArgs<A>& a) {
  switch (a.norm) {
    case DistanceNorm::Zero: return distances_as<DistanceNorm::Zero>(a);
    case DistanceNorm::One: return distances_as<DistanceNorm::One>(a);
    case DistanceNorm::Two: return distances_as<DistanceNorm::Two>(a);
    case DistanceNorm::Infinite: return distances_as<DistanceNorm::Infinite>(a);
    case DistanceNorm::Other: return distances_as<DistanceNorm::Other>(a);
  }
}

} // namespace

XK(distance_f32, DistanceArgs<float>) { distances(args); }
XK(distance_f64, DistanceArgs<double>) { distances(args); }
XK(distance_backward_f32, DistanceArgs<float>) { gradient(args); }
XK(distance_backward_f64, DistanceArgs<double>) { gradient(args); }
