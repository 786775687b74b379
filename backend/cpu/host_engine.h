#pragma once

// The host engine: devices that are the processor and memory of this machine.
// `count` logical devices share out the cores; memory is the whole machine's for
// each of them.

#include <memory>
#include <string>
#include <vector>

#include "backend/runtime/engine.h"

namespace xpu_lite::cpu {

std::vector<std::string> found();
std::string preferred();
std::unique_ptr<Engine> make_engine(const std::string& selector, int count);

} // namespace xpu_lite::cpu
