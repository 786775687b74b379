#pragma once

// What the registry needs of the SYCL engine, which is a library of its own:
// loader.cpp finds it and loads it when it is asked for.

#include <memory>
#include <string>
#include <vector>

#include "backend/runtime/engine.h"

namespace xpu_lite::xpu {

// Is the library of the engine there? Loads nothing.
bool installed() noexcept;
// Selectors of the devices that are there ("level_zero:gpu", "opencl:cpu"). Loads
// the SYCL runtime and asks its drivers.
std::vector<std::string> found();
// The selector that `auto` takes, or nothing. Loads nothing on a machine without a
// GPU.
std::string preferred();
// Throws Error when the engine is not installed or has no such device.
std::unique_ptr<Engine> make_engine(const std::string& selector, int count);
// Lines about the SYCL runtime, its devices, drivers and aspects, for
// `xpu-lite info`; says what to install where the engine cannot be used.
std::vector<std::string> describe();

// What libxpu_lite_xpu.so gives: the result of its one C function,
// xpu_lite_xpu_library().
struct Library {
  std::vector<std::string> (*found)();
  std::unique_ptr<Engine> (*make_engine)(const std::string& selector, int count);
  std::vector<std::string> (*describe)();
};

} // namespace xpu_lite::xpu
