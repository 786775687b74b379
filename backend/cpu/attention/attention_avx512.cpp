// Attention on AVX-512.
#define XPU_LITE_LEVEL avx512
#include "backend/runtime/cpu_features.h"
namespace xpu_lite::cpu::attention::XPU_LITE_LEVEL {
static constexpr Isa kNeeds = Isa::Avx512;
}
#include "backend/cpu/attention/levels/table.h"
