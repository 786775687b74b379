#include "backend/xpu/ops/distance.h"

#include <cmath>

#include "backend/xpu/device_pointer.h"
#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

namespace {

template <class Real>
void run_distance(Stream& stream, const char* f32, const char* f64, DistanceArgs<Real> args,
                  int64_t items) {
  args.x1 = device_pointer(args.x1);
  args.x2 = device_pointer(args.x2);
  args.out = device_pointer(args.out);
  args.grad = device_pointer(args.grad);
  args.distance = device_pointer(args.distance);
  args.norm = args.p == 0           ? DistanceNorm::Zero
              : args.p == 1         ? DistanceNorm::One
              : args.p == 2         ? DistanceNorm::Two
              : std::isinf(args.p) ? DistanceNorm::Infinite
                                    : DistanceNorm::Other;
  launch(stream, sizeof(Real) == 8 ? f64 : f32,
         grid_for(stream.device(), static_cast<size_t>(items)), args);
}

} // namespace

template <class Real>
void distances(Stream& stream, DistanceArgs<Real> args) {
  run_distance(stream, "distance_f32", "distance_f64", args,
               args.batch * args.rows1 * args.rows2);
}

template <class Real>
void distances_backward(Stream& stream, DistanceArgs<Real> args) {
  run_distance(stream, "distance_backward_f32", "distance_backward_f64", args,
               args.batch * args.rows1 * args.columns);
}

template void distances(Stream&, DistanceArgs<float>);
template void distances(Stream&, DistanceArgs<double>);
template void distances_backward(Stream&, DistanceArgs<float>);
template void distances_backward(Stream&, DistanceArgs<double>);

} // namespace xpu_lite::xpu
