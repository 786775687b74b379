// Attention on AVX512_BF16.
#define XPU_LITE_LEVEL avx512_bf16
#include "backend/runtime/cpu_features.h"
namespace xpu_lite::cpu::attention::XPU_LITE_LEVEL {
static constexpr Isa kNeeds = Isa::Avx512Bf16;
}
#include "backend/cpu/attention/levels/table.h"
