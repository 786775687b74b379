#pragma once

// Random numbers on a SYCL device: Note [Philox layout] says which. Pointers are
// the engine's, contiguous memory of `n` elements. Nothing here waits.

#include <cstdint>

#include "backend/cpu/kernels/philox.h"
#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"

namespace xpu_lite::xpu {

using cpu::PhiloxStream;

enum class Distribution {
  Uniform,     // a: from, b: to
  Normal,      // a: mean, b: standard deviation
  LogNormal,   // of the normal: a, b
  Exponential, // a: lambda
  Cauchy,      // a: median, b: sigma
  Geometric,   // a: p; every type but bool and the wide unsigned ones
};

void random_fill(Stream& stream, Distribution distribution, void* out, DType type, int64_t n,
                 const PhiloxStream& philox, double a, double b);
// base + [0, range), range 0 standing for 2^64.
void random_integers(Stream& stream, void* out, DType type, int64_t n,
                     const PhiloxStream& philox, uint64_t range, int64_t base);
// One with probability p, else zero.
void random_bernoulli(Stream& stream, void* out, DType type, int64_t n,
                      const PhiloxStream& philox, double p);
// A probability for each element, float or double; one outside [0, 1] is an error of
// the stream that names `op`, a string literal.
void random_bernoulli_each(Stream& stream, void* out, DType type, int64_t n,
                           const PhiloxStream& philox, const void* p, bool p_is_double,
                           const char* op);

// Keys are `count` pairs (seed, offset), each for `each` elements of `out`.
void random_keys_fill(Stream& stream, Distribution distribution, void* out, DType type,
                      const uint64_t* keys, int64_t count, int64_t each, double a, double b);
// Key s * count + k of `out` is derived from key k with the number first + s.
void random_derive_keys(Stream& stream, uint64_t* out, const uint64_t* keys, int64_t count,
                        int64_t splits, uint64_t first);
void random_dropout_numbers(Stream& stream, float* out, int64_t rows, int64_t width,
                            const PhiloxStream& philox);

// mask[i] = 1 with probability keep; out[i] = in[i] * mask[i] * scale.
void dropout_forward(Stream& stream, void* out, uint8_t* mask, const void* in, DType type,
                     int64_t n, const PhiloxStream& philox, double keep, double scale);
void masked_scale(Stream& stream, void* out, const void* in, const uint8_t* mask, DType type,
                  int64_t n, double scale);

} // namespace xpu_lite::xpu
