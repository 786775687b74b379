// Kernels on AVX512_BF16: each instruction adds the products of 16 pairs.

#define XPU_LITE_LEVEL avx512_bf16
#include "backend/cpu/gemm/levels/finish.h"
#include "backend/cpu/gemm/levels/stage.h"
#include "backend/cpu/gemm/levels/tile.h"

namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL {

extern constexpr Kernels bf16 = table<DotPairs>("avx512_bf16", Isa::Avx512Bf16, DType::BFloat16,
                                                DType::BFloat16, stage, finish);

} // namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL
