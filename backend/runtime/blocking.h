#pragma once

// Around every wait of the host for other threads of this process. An interpreter's
// lock must not be held then: the thread that is waited for may need it, because the
// last reference to a tensor can be the interpreter's.

namespace xpu_lite {

struct BlockingHooks {
  void* (*begin)() = nullptr;   // what end() takes; null when there is nothing to undo
  void (*end)(void*) = nullptr;
};
// Set once, by whoever knows the interpreter.
void set_blocking_hooks(BlockingHooks hooks) noexcept;

class BlockingScope {
 public:
  BlockingScope() noexcept;
  ~BlockingScope();
  BlockingScope(const BlockingScope&) = delete;
  BlockingScope& operator=(const BlockingScope&) = delete;

 private:
  void* undo_ = nullptr;
};

} // namespace xpu_lite
