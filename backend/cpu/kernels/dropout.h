#pragma once

// Dropout on contiguous memory, forward and backward, in one pass each.

#include "backend/cpu/kernels/random_fill.h"

// mask[i] = 1 with probability keep; out[i] = in[i] * mask[i] * scale. Half,
// BFloat16, Float, Double; 32-bit draws for all of them.
XPU_LITE_DECLARE_KERNEL(dropout_forward,
    void(void* out, uint8_t* mask, const void* in, RandomType, int64_t n, PhiloxStream,
         double keep, double scale));
// out[i] = in[i] * mask[i] * scale
XPU_LITE_DECLARE_KERNEL(masked_scale,
    void(void* out, const void* in, const uint8_t* mask, RandomType, int64_t n, double scale));
