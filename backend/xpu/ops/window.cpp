#include "backend/xpu/ops/window.h"

#include <string>

#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

void im2col(Stream& stream, size_t element, const WindowArgs& a) {
  const int64_t items = a.batch * a.channels * a.kernel_h * a.kernel_w * a.rows * a.cols;
  launch(stream, "im2col_" + std::to_string(element),
         grid_for(stream.device(), static_cast<size_t>(items)), a);
}

void col2im(Stream& stream, DType type, const WindowArgs& a) {
  const int64_t items = a.batch * a.channels * a.height * a.width;
  launch(stream, std::string("col2im_") + suffix(type),
         grid_for(stream.device(), static_cast<size_t>(items)), a);
}

} // namespace xpu_lite::xpu
