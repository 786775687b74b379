#define XPU_LITE_LEVEL int8_convolution_avx2
#include "backend/cpu/conv/int8_finish.h"

namespace xpu_lite::cpu::conv {

void int8_finish_avx2(const Int8Finish& f) { gemm::XPU_LITE_LEVEL::finish_any(f); }

} // namespace xpu_lite::cpu::conv
