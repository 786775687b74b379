#include "backend/runtime/engines.h"

#include "backend/cpu/host_engine.h"
#include "backend/xpu/engine.h"

namespace xpu_lite {

const std::vector<EngineEntry>& engine_entries() {
  static const auto& entries = *new std::vector<EngineEntry>{
      {{"level_zero:gpu", "opencl:cpu", "opencl:gpu"}, xpu::found, xpu::preferred,
       xpu::make_engine, xpu::describe},
      {{"host"}, cpu::found, cpu::preferred, cpu::make_engine},
  };
  return entries;
}

} // namespace xpu_lite
