// Attention on AVX2.
#define XPU_LITE_LEVEL avx2
#include "backend/runtime/cpu_features.h"
namespace xpu_lite::cpu::attention::XPU_LITE_LEVEL {
static constexpr Isa kNeeds = Isa::Avx2;
}
#include "backend/cpu/attention/levels/table.h"
