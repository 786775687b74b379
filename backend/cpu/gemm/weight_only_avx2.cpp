// weight_only.h by AVX2.

#define XPU_LITE_LEVEL weight_level_avx2
#include "backend/cpu/gemm/weight_only_tile.h"

namespace xpu_lite::cpu::gemm {
namespace XPU_LITE_LEVEL {
namespace {

const WeightOnlyKernels kTable = {
    "avx2", Isa::Avx2, kTileRowsMost, false, weight_tile<8, false>,
    weight_tile<4, false>, nullptr, stage, finish};

} // namespace
} // namespace XPU_LITE_LEVEL

const WeightOnlyKernels weight_only_avx2 = XPU_LITE_LEVEL::kTable;

} // namespace xpu_lite::cpu::gemm
