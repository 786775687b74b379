#pragma once

// How much memory the machine and the control groups around this process leave.

#include <cstddef>

namespace xpu_lite::cpu {

struct HostMemory {
  size_t available = 0, total = 0; // bytes
};

// Reads /proc and /sys: tens of microseconds.
HostMemory host_memory();
size_t resident_bytes(); // of this process

} // namespace xpu_lite::cpu
