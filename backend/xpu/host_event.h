#pragma once

// An event that the host completes: what SYCL itself lacks. Work that depends on it
// stays in the device's queue, and nobody is blocked, until signal() is called.

#include <sycl/sycl.hpp>

#include <memory>

namespace xpu_lite::xpu {

class HostEvent {
 public:
  virtual ~HostEvent() = default;
  virtual sycl::event event() const = 0;
  virtual void signal() noexcept = 0; // once
};

// Made of the driver's own events (OpenCL, Level Zero). Throws Error where the
// driver cannot make one.
std::unique_ptr<HostEvent> make_host_event(const sycl::context& context);

} // namespace xpu_lite::xpu
