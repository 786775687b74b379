#pragma once

// The engines that this build knows, in the order in which "auto" prefers them.
// A new engine adds its folder and one line to engines.cpp.

#include <memory>
#include <string>
#include <vector>

#include "backend/runtime/engine.h"

namespace xpu_lite {

struct EngineEntry {
  std::vector<std::string> selectors;   // what XPU_LITE_DEVICES may name
  std::vector<std::string> (*found)();  // those whose device is there now
  std::string (*preferred)();           // what `auto` takes of it, or nothing; cheap
  std::unique_ptr<Engine> (*make)(const std::string& selector, int count);
  // Lines for `xpu-lite info` about what the engine's drivers see, also when another
  // engine is in use; or null.
  std::vector<std::string> (*describe)() = nullptr;
};

const std::vector<EngineEntry>& engine_entries();

} // namespace xpu_lite
