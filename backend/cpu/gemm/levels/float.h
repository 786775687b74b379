#pragma once

// The tables of kernels that multiply in float, for every dtype: 16-bit weights are
// widened as they are loaded, 16-bit rows of a once per block. Included by one file
// per instruction set, which defines XPU_LITE_LEVEL.

#include "backend/cpu/gemm/levels/finish.h"
#include "backend/cpu/gemm/levels/stage.h"
#include "backend/cpu/gemm/levels/tile.h"

namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL {
namespace {
#if defined(__AVX512F__)
constexpr Isa kNeeds = Isa::Avx512;
constexpr const char* kName = "avx512";
#else
constexpr Isa kNeeds = Isa::Avx2;
constexpr const char* kName = "avx2";
#endif
} // namespace

extern constexpr Kernels f32 =
    table<PlainFloat>(kName, kNeeds, DType::Float, DType::Float, stage, finish);
extern constexpr Kernels bf16 =
    table<WidenedPairs>(kName, kNeeds, DType::BFloat16, DType::Float, stage, finish);
extern constexpr Kernels f16 =
    table<PlainHalf>(kName, kNeeds, DType::Half, DType::Float, stage, finish);

} // namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL
