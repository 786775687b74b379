#pragma once

// How much memory the machine and the control groups around this process leave.

#include <atomic>
#include <cstddef>

namespace xpu_lite {

struct HostMemory {
  size_t available = 0, total = 0; // bytes
};

// Reads /proc and /sys: tens of microseconds.
HostMemory host_memory();
size_t resident_bytes(); // of this process

// For engines whose device memory is the host's. Linux maps more than it has and
// kills the process when the pages are touched, so a request that cannot be backed
// is refused before. Small ones are looked at together: reading /proc costs more
// than serving them.
class HostBudget {
 public:
  bool fits(size_t bytes);
  void took(size_t bytes) noexcept { held_.fetch_add(bytes, std::memory_order_relaxed); }
  void gave(size_t bytes) noexcept { held_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  const size_t total_ = host_memory().total;
  std::atomic<size_t> held_{0}, unchecked_{0};
};

} // namespace xpu_lite
