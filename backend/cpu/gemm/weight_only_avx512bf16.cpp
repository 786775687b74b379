// weight_only.h by AVX-512 with VDPBF16PS.

#define XPU_LITE_LEVEL weight_level_avx512bf16
#include "backend/cpu/gemm/weight_only_tile.h"

namespace xpu_lite::cpu::gemm {
namespace XPU_LITE_LEVEL {
namespace {

const WeightOnlyKernels kTable = {
    "avx512_bf16", Isa::Avx512Bf16, kTileRowsMost, true, weight_tile<8, false>,
    weight_tile<4, false>, weight_tile<4, true>, stage, finish};

} // namespace
} // namespace XPU_LITE_LEVEL

const WeightOnlyKernels weight_only_avx512bf16 = XPU_LITE_LEVEL::kTable;

} // namespace xpu_lite::cpu::gemm
