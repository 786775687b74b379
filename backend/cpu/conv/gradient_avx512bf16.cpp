// Gradients of bfloat16 filters on AVX512_BF16: each instruction adds the products of 16
// pairs of pixels.

#define XPU_LITE_LEVEL avx512_bf16
#include "backend/cpu/conv/levels/gradient.h"

namespace xpu_lite::cpu::conv::XPU_LITE_LEVEL {

extern constexpr GradientKernels gradient_bf16 =
    gradient_table<PairProducts, bfloat16>("avx512_bf16", Isa::Avx512Bf16, DType::BFloat16);

} // namespace xpu_lite::cpu::conv::XPU_LITE_LEVEL
