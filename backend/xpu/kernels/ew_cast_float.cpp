// Casts of floating-point numbers.
#include "backend/xpu/kernels/cast.h"

EW_CASTS_FROM(f32) EW_CASTS_FROM(f64) EW_CASTS_FROM(f16) EW_CASTS_FROM(bf16)
