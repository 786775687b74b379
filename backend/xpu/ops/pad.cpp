#include "backend/xpu/ops/pad.h"

#include <string>

#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

namespace {

Grid grid_of(Stream& stream, int64_t planes, const int64_t* sizes) {
  return grid_for(stream.device(),
                  static_cast<size_t>(planes * sizes[0] * sizes[1] * sizes[2]));
}

} // namespace

void pad(Stream& stream, size_t element, const PadArgs& args) {
  launch(stream, "pad_" + std::to_string(element),
         grid_of(stream, args.planes, args.out_sizes), args);
}

void pad_backward(Stream& stream, DType type, const PadArgs& args) {
  launch(stream, std::string("pad_backward_") + suffix(type),
         grid_of(stream, args.planes, args.in_sizes), args);
}

} // namespace xpu_lite::xpu
