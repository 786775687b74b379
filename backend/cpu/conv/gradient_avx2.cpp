// Gradients of filters multiplied in float, with AVX2: 16-bit values are widened as
// they are packed.

#define XPU_LITE_LEVEL avx2
#include "backend/cpu/conv/levels/gradient.h"

namespace xpu_lite::cpu::conv::XPU_LITE_LEVEL {

extern constexpr GradientKernels gradient_f32 =
    gradient_table<Products, float>("avx2", Isa::Avx2, DType::Float);
extern constexpr GradientKernels gradient_bf16 =
    gradient_table<Products, bfloat16>("avx2", Isa::Avx2, DType::BFloat16);
extern constexpr GradientKernels gradient_f16 =
    gradient_table<Products, half>("avx2", Isa::Avx2, DType::Half);

} // namespace xpu_lite::cpu::conv::XPU_LITE_LEVEL
