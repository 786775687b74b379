// Gradients of filters multiplied in float, with AVX-512: 16-bit values are widened as
// they are packed.

#define XPU_LITE_LEVEL avx512
#include "backend/cpu/conv/levels/gradient.h"

namespace xpu_lite::cpu::conv::XPU_LITE_LEVEL {

extern constexpr GradientKernels gradient_f32 =
    gradient_table<Products, float>("avx512", Isa::Avx512, DType::Float);
extern constexpr GradientKernels gradient_bf16 =
    gradient_table<Products, bfloat16>("avx512", Isa::Avx512, DType::BFloat16);
extern constexpr GradientKernels gradient_f16 =
    gradient_table<Products, half>("avx512", Isa::Avx512, DType::Half);

} // namespace xpu_lite::cpu::conv::XPU_LITE_LEVEL
