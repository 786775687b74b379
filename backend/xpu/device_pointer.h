#pragma once

// Note [Guarded pointers]
// With XPU_LITE_GUARD=1 the addresses that the engine hands out for device memory
// carry a tag that makes them non-canonical: host code that reads or writes one
// faults at once, also on the OpenCL CPU device, whose memory the host could
// reach. What goes to the device (kernel arguments, copies, oneDNN memory) must
// pass device_pointer(), which takes the tag off. Without the guard it is one AND
// with all ones.

#include <cstdint>

namespace xpu_lite::xpu {

constexpr uint64_t kGuardTag = uint64_t{1} << 60;

template <class T>
inline T* device_pointer(T* p) {
  return reinterpret_cast<T*>(reinterpret_cast<uint64_t>(p) & ~kGuardTag);
}

} // namespace xpu_lite::xpu
