#include "backend/runtime/blocking.h"

#include <atomic>

namespace xpu_lite {

namespace {
std::atomic<void* (*)()> begin_hook{nullptr};
std::atomic<void (*)(void*)> end_hook{nullptr};
} // namespace

void set_blocking_hooks(BlockingHooks hooks) noexcept {
  end_hook.store(hooks.end, std::memory_order_release);
  begin_hook.store(hooks.begin, std::memory_order_release);
}

BlockingScope::BlockingScope() noexcept {
  if (auto begin = begin_hook.load(std::memory_order_acquire)) undo_ = begin();
}

BlockingScope::~BlockingScope() {
  if (undo_) end_hook.load(std::memory_order_acquire)(undo_);
}

} // namespace xpu_lite
