#pragma once

// Fills contiguous memory with random numbers: Note [Philox layout] says which.
// Each call depends on (stream, n, parameters) only, not on the thread count.

#include <cstdint>

#include "backend/cpu/dispatch.h"
#include "backend/cpu/kernels/philox.h"

namespace xpu_lite::cpu {

enum class RandomType : int {
  Bool, UInt8, Int8, Int16, Int32, Int64, UInt16, UInt32, UInt64,
  Half, BFloat16, Float, Double,
};

} // namespace xpu_lite::cpu

// Half, BFloat16, Float, Double; to - from must be finite.
XPU_LITE_DECLARE_KERNEL(random_uniform,
    void(void* out, RandomType, int64_t n, PhiloxStream, double from, double to));
XPU_LITE_DECLARE_KERNEL(random_normal,
    void(void* out, RandomType, int64_t n, PhiloxStream, double mean, double std));
XPU_LITE_DECLARE_KERNEL(random_log_normal,
    void(void* out, RandomType, int64_t n, PhiloxStream, double mean, double std));
XPU_LITE_DECLARE_KERNEL(random_exponential,
    void(void* out, RandomType, int64_t n, PhiloxStream, double lambda));
XPU_LITE_DECLARE_KERNEL(random_cauchy,
    void(void* out, RandomType, int64_t n, PhiloxStream, double median, double sigma));
// Every type but Bool and the wide unsigned ones; 0 < p < 1.
XPU_LITE_DECLARE_KERNEL(random_geometric,
    void(void* out, RandomType, int64_t n, PhiloxStream, double p));
// Every type: base + [0, range), range 0 standing for 2^64.
XPU_LITE_DECLARE_KERNEL(random_integers,
    void(void* out, RandomType, int64_t n, PhiloxStream, uint64_t range, int64_t base));
// Every type: one with probability p, else zero.
XPU_LITE_DECLARE_KERNEL(random_bernoulli,
    void(void* out, RandomType, int64_t n, PhiloxStream, double p));
// The same with a probability for each element (contiguous; float or double).
// Returns the index of some p outside [0, 1], or -1.
XPU_LITE_DECLARE_KERNEL(random_bernoulli_each,
    int64_t(void* out, RandomType, int64_t n, PhiloxStream, const void* p, bool p_is_double));
