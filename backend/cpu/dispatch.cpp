#include "backend/cpu/dispatch.h"

#include "backend/runtime/cpu_features.h"

namespace xpu_lite::cpu {

Level active_level() { return isa() >= Isa::Avx512 ? Level::avx512 : Level::avx2; }

} // namespace xpu_lite::cpu
