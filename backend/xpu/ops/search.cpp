#include "backend/xpu/ops/search.h"

#include <string>

#include "backend/xpu/launch.h"

namespace xpu_lite::xpu {

void search(Stream& stream, DType type, const SearchArgs& args) {
  launch(stream, std::string("search_") + suffix(type),
         grid_for(stream.device(), static_cast<size_t>(args.numel)), args);
}

} // namespace xpu_lite::xpu
