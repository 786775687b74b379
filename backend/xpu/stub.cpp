// The SYCL engine of a build that has none.

#include "backend/runtime/error.h"
#include "backend/xpu/engine.h"

namespace xpu_lite::xpu {

bool installed() noexcept { return false; }

std::vector<std::string> found() { return {}; }

std::unique_ptr<Engine> make_engine(const std::string& selector, int) {
  throw Error(message("XPU_LITE_DEVICES=", selector,
                      ": this build has no SYCL engine; use XPU_LITE_DEVICES=host"));
}

} // namespace xpu_lite::xpu
