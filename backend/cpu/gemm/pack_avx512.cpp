// Panels, packed with AVX-512.

#define XPU_LITE_LEVEL avx512
#include "backend/cpu/gemm/levels/pack.h"
