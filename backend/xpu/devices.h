#pragma once

// Which SYCL devices there are, and which of them a selector means.

#include <sycl/sycl.hpp>

#include <string>
#include <vector>

namespace xpu_lite::xpu {

// What the engine works with. `memory` is the device whose memory device i uses:
// itself, or, for sub-devices of a processor, the whole (its memory is one).
struct Devices {
  std::vector<sycl::device> devices, memory;
};

// Selectors whose device is there: "level_zero:gpu", "opencl:cpu", "opencl:gpu".
std::vector<std::string> found_selectors();

// `count` 0: all devices of the first platform that has such devices. Else that
// many: whole devices if there are enough, else their sub-devices (equal shares of
// a processor, tiles of a GPU), else logical devices that share them. Throws Error,
// with a list of what there is, when there is none.
Devices select_devices(const std::string& selector, int count);

// Lines about everything that the runtime sees.
std::vector<std::string> describe_devices();

} // namespace xpu_lite::xpu
