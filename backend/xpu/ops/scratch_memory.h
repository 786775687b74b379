#pragma once

// Device memory for the time of a call: what is freed on a stream is reused on that
// stream in order, so nothing has to wait.

#include <utility>

#include "backend/runtime/allocator.h"
#include "backend/runtime/stream.h"
#include "backend/xpu/device_pointer.h"

namespace xpu_lite::xpu {

class ScratchMemory {
 public:
  ScratchMemory() = default;
  ScratchMemory(Stream& stream, size_t bytes)
      : allocation_(allocate(stream.device(), bytes, stream)) {}
  ScratchMemory(ScratchMemory&& other) noexcept : allocation_(other.allocation_) {
    other.allocation_ = {};
  }
  ScratchMemory& operator=(ScratchMemory&& other) noexcept {
    std::swap(allocation_, other.allocation_);
    return *this;
  }
  ~ScratchMemory() { release(allocation_.context); }

  char* data() const { return static_cast<char*>(device_pointer(allocation_.data)); }

 private:
  Allocation allocation_;
};

} // namespace xpu_lite::xpu
