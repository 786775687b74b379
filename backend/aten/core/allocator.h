#pragma once

// The device's caching allocator as torch sees it, and the thread-local switch
// that lets CPU kernels allocate from it (see Note [CPU aliases] in alias.h).

#include <c10/core/Allocator.h>
#include <c10/core/Device.h>

#include "backend/runtime/stream.h"

namespace xpu_lite::aten {

constexpr c10::DeviceType kDevice = c10::DeviceType::PrivateUse1;

// The c10::DeviceAllocator registered for PrivateUse1.
c10::Allocator* device_allocator();

// Memory of `device` for use on `stream`, as a DataPtr that claims to be on
// `claimed` (the device itself, or the CPU inside an OpScope).
c10::DataPtr allocate_on(int device, Stream& stream, size_t bytes, c10::Device claimed);

// True if `ptr` came from allocate_on().
bool is_device_memory(const c10::DataPtr& ptr) noexcept;

// While `device` is not negative, the CPU allocator of this thread allocates
// from that device, for that stream.
struct AllocationTarget {
  int device = -1;
  Stream* stream = nullptr;
};
AllocationTarget exchange_allocation_target(AllocationTarget target) noexcept;

} // namespace xpu_lite::aten
