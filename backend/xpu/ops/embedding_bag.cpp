#include "backend/xpu/ops/embedding_bag.h"

#include <string>

#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

void embedding_bag(Stream& stream, DType type, EmbeddingBagArgs args) {
  args.error = kernel_error(stream);
  launch(stream, std::string("embedding_bag_") + suffix(type),
         grid_for(stream.device(), static_cast<size_t>(args.bags * args.columns)), args);
}

} // namespace xpu_lite::xpu
