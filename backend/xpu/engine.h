#pragma once

// What the registry needs of the SYCL engine. stub.cpp defines the same symbols
// for a build without it.

#include <memory>
#include <string>
#include <vector>

#include "backend/runtime/engine.h"

namespace xpu_lite::xpu {

bool installed() noexcept;
// Selectors of the devices that are there ("level_zero:gpu", "opencl:cpu").
std::vector<std::string> found();
// Throws Error when the engine is not installed or has no such device.
std::unique_ptr<Engine> make_engine(const std::string& selector, int count);

} // namespace xpu_lite::xpu
