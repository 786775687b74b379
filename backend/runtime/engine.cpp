// Defaults of optional slots.

#include "backend/runtime/engine.h"

#include <cstdlib>

namespace xpu_lite {

void* Engine::allocate_host(size_t bytes) {
  constexpr size_t kPage = 4096;
  return std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
}

void Engine::free_host(void* ptr, size_t) noexcept { std::free(ptr); }

} // namespace xpu_lite
