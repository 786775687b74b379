// Casts of the less common types to and from those they are nearest to.
#include "backend/xpu/kernels/cast.h"

EW_CAST(u16, i64) EW_CAST(i64, u16) EW_CAST(u32, i64) EW_CAST(i64, u32)
EW_CAST(u64, i64) EW_CAST(i64, u64) EW_CAST(u64, f32) EW_CAST(u64, f64)
EW_CAST(c64, f32) EW_CAST(f32, c64) EW_CAST(c64, b8)
EW_CAST(c128, f64) EW_CAST(f64, c128) EW_CAST(c128, b8)
EW_CAST(c64, c128) EW_CAST(c128, c64) EW_CAST(c32, c64) EW_CAST(c64, c32)
