// Casts of integers and bool.
#include "backend/xpu/kernels/cast.h"

EW_CASTS_FROM(i64) EW_CASTS_FROM(i32) EW_CASTS_FROM(i16)
EW_CASTS_FROM(i8) EW_CASTS_FROM(u8) EW_CASTS_FROM(b8)
