// Panels, packed with AVX2.

#define XPU_LITE_LEVEL avx2
#include "backend/cpu/gemm/levels/pack.h"
