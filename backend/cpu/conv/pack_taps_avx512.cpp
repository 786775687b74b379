// Filters packed tap by tap, with AVX-512.

#define XPU_LITE_LEVEL avx512
#include "backend/cpu/conv/levels/pack_taps.h"
