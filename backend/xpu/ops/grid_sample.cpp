#include "backend/xpu/ops/grid_sample.h"

#include <string>

#include "backend/xpu/device_pointer.h"
#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

namespace {

void grid_sample_addresses(GridSampleArgs& args) {
  args.input = device_pointer(args.input);
  args.grid = device_pointer(args.grid);
  args.out = device_pointer(args.out);
  args.grad_out = device_pointer(args.grad_out);
  args.grad_input = device_pointer(args.grad_input);
  args.grad_grid = device_pointer(args.grad_grid);
}

size_t grid_sample_places(const GridSampleArgs& args) {
  return static_cast<size_t>(args.batch * args.size[0] * args.size[1] * args.size[2]);
}

} // namespace

void grid_sample(Stream& stream, DType type, GridSampleArgs args) {
  grid_sample_addresses(args);
  launch(stream, std::string("grid_sample_") + suffix(type),
         grid_for(stream.device(), grid_sample_places(args)), args);
}

void grid_sample_backward(Stream& stream, DType type, GridSampleArgs args,
                          bool same_each_time) {
  grid_sample_addresses(args);
  const int device = stream.device();
  if (args.grad_input != nullptr) {
    // CPU devices have few lanes: a channel for each is enough, and needs no atomics.
    const auto planes = static_cast<size_t>(args.batch * args.channels);
    const Limits& has = limits(device);
    args.by_plane = same_each_time || (has.is_cpu && planes >= has.compute_units);
    const Grid few{(planes + 15) / 16, 16}; // long work-items: spread over all cores
    launch(stream, std::string("grid_sample_grad_input_") + suffix(type),
           args.by_plane ? few : grid_for(device, grid_sample_places(args)), args);
  }
  if (args.grad_grid != nullptr) {
    launch(stream, std::string("grid_sample_grad_grid_") + suffix(type),
           grid_for(device, grid_sample_places(args)), args);
  }
}

} // namespace xpu_lite::xpu
