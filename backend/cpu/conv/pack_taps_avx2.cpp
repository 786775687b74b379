// Filters packed tap by tap, with AVX2.

#define XPU_LITE_LEVEL avx2
#include "backend/cpu/conv/levels/pack_taps.h"
