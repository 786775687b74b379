// The continuous distributions, and geometric.

#include "backend/cpu/kernels/random_fill.h"

#include "backend/cpu/kernels/random_math.h"
#include "backend/cpu/kernels/random_tile.h"

namespace xpu_lite::cpu::XPU_LITE_LEVEL {

// Float types: make(words, values) turns a tile of words into as many floats.
template <class Make>
static void fill_floats(void* out, RandomType type, int64_t n, const PhiloxStream& stream,
                        const Make& make) {
  for_tiles(n, kTile, stream, [&](const uint32_t* words, int64_t at, int64_t m) {
    alignas(64) float values[kTile];
    make(words, values);
    store_floats(values, out, type, at, m);
  });
}

// make(draws, values) turns kTile / 2 draws into as many doubles.
template <class Make, class Store>
static void fill_doubles(int64_t n, const PhiloxStream& stream, const Make& make,
                         const Store& store) {
  for_tiles(n, kTile / 2, stream, [&](const uint32_t* words, int64_t at, int64_t m) {
    alignas(64) uint64_t draws[kTile / 2];
    alignas(64) double values[kTile / 2];
    join_words(words, draws);
    make(draws, values);
    store(values, at, m);
  });
}
template <class Make>
static void fill_doubles(void* out, int64_t n, const PhiloxStream& stream, const Make& make) {
  fill_doubles(n, stream, make, [&](const double* values, int64_t at, int64_t m) {
    std::memcpy(static_cast<double*>(out) + at, values, m * sizeof(double));
  });
}

static void uniform(void* out, RandomType type, int64_t n, PhiloxStream stream, double from,
                    double to) {
  if (type == RandomType::Double) {
    const double width = to - from;
    fill_doubles(out, n, stream, [=](const uint64_t* x, double* v) {
      for (int64_t i = 0; i < kTile / 2; ++i) {
        // Both halves fit the mantissa trick, which needs no 64-bit conversion.
        const uint64_t bits = x[i] & 0x1fffffffffffffu;
        const double high = __builtin_bit_cast(
            double, (bits >> 1) | uint64_t{0x3ff0000000000000u}) - 1.0;
        const double u = high + (bits & 1 ? 0x1p-53 : 0.0);
        const double value = fma_of(u, width, from);
        v[i] = value < to ? value : from;
      }
    });
    return;
  }
  const int digits = type == RandomType::Float ? 24 : type == RandomType::Half ? 11 : 8;
  const int32_t mask = (1 << digits) - 1;
  const float unit = 1.0f / static_cast<float>(1 << digits);
  // The bounds as the type has them: a result that rounds to `to` becomes `from`.
  alignas(64) float bounds[8] = {static_cast<float>(from), static_cast<float>(to)};
  alignas(64) uint16_t narrow[8];
  if (type == RandomType::Half) {
    to_half(bounds, narrow, 8);
    from_half(narrow, bounds, 8);
  } else if (type == RandomType::BFloat16) {
    to_bfloat16(bounds, narrow, 8);
    from_bfloat16(narrow, bounds, 8);
  }
  const float low = bounds[0], high = bounds[1], width = static_cast<float>(to - from);
  fill_floats(out, type, n, stream, [=](const uint32_t* w, float* v) {
    for (int64_t i = 0; i < kTile; ++i) {
      const float u = static_cast<float>(static_cast<int32_t>(w[i]) & mask) * unit;
      v[i] = fma_of(u, width, low);
    }
    if (type != RandomType::Float) {
      alignas(64) uint16_t tile[kTile];
      if (type == RandomType::Half) {
        to_half(v, tile, kTile);
        from_half(tile, v, kTile);
      } else {
        to_bfloat16(v, tile, kTile);
        from_bfloat16(tile, v, kTile);
      }
    }
    for (int64_t i = 0; i < kTile; ++i) v[i] = v[i] < high ? v[i] : low;
  });
}

XPU_LITE_ALWAYS_INLINE void normal_tile(const uint32_t* w, float* v) {
  for (int64_t i = 0; i < kTile; i += 2) {
    const float radius = __builtin_sqrtf(-2.0f * log_of(open_unit(w[i])));
    const auto at = sincos_turns(w[i + 1]);
    v[i] = radius * at.cos;
    v[i + 1] = radius * at.sin;
  }
}
XPU_LITE_ALWAYS_INLINE void normal_tile(const uint64_t* x, double* v) {
  for (int64_t i = 0; i < kTile / 2; i += 2) {
    const double radius = __builtin_sqrt(-2.0 * log_of(open_unit(x[i])));
    const auto at = sincos_turns(x[i + 1]);
    v[i] = radius * at.cos;
    v[i + 1] = radius * at.sin;
  }
}

static void normal(void* out, RandomType type, int64_t n, PhiloxStream stream, double mean,
                   double std) {
  if (type == RandomType::Double) {
    fill_doubles(out, n, stream, [=](const uint64_t* x, double* v) {
      normal_tile(x, v);
      for (int64_t i = 0; i < kTile / 2; ++i) v[i] = fma_of(v[i], std, mean);
    });
    return;
  }
  const float m = static_cast<float>(mean), s = static_cast<float>(std);
  fill_floats(out, type, n, stream, [=](const uint32_t* w, float* v) {
    normal_tile(w, v);
    for (int64_t i = 0; i < kTile; ++i) v[i] = fma_of(v[i], s, m);
  });
}

static void log_normal(void* out, RandomType type, int64_t n, PhiloxStream stream, double mean,
                       double std) {
  if (type == RandomType::Double) {
    fill_doubles(out, n, stream, [=](const uint64_t* x, double* v) {
      normal_tile(x, v);
      for (int64_t i = 0; i < kTile / 2; ++i) v[i] = exp_of(fma_of(v[i], std, mean));
    });
    return;
  }
  fill_floats(out, type, n, stream, [=](const uint32_t* w, float* v) {
    normal_tile(w, v);
    for (int64_t i = 0; i < kTile; ++i) {
      v[i] = static_cast<float>(exp_of(fma_of(static_cast<double>(v[i]), std, mean)));
    }
  });
}

// -ln u / lambda. u = 1 would give zero, which an exponential never is: callers
// divide by it (multinomial).
static void exponential(void* out, RandomType type, int64_t n, PhiloxStream stream,
                        double lambda) {
  if (type == RandomType::Double) {
    const double scale = 1.0 / lambda;
    fill_doubles(out, n, stream, [=](const uint64_t* x, double* v) {
      for (int64_t i = 0; i < kTile / 2; ++i) v[i] = -log_of(open_unit(x[i])) * scale;
    });
    return;
  }
  const float scale = static_cast<float>(1.0 / lambda);
  fill_floats(out, type, n, stream, [=](const uint32_t* w, float* v) {
    for (int64_t i = 0; i < kTile; ++i) {
      const float e = -log_of(open_unit(w[i]));
      v[i] = (e > 0x1p-24f ? e : 0x1p-24f) * scale;
    }
  });
}

// The tangent of a uniform angle.
static void cauchy(void* out, RandomType type, int64_t n, PhiloxStream stream, double median,
                   double sigma) {
  if (type == RandomType::Double) {
    fill_doubles(out, n, stream, [=](const uint64_t* x, double* v) {
      for (int64_t i = 0; i < kTile / 2; ++i) {
        const auto at = sincos_turns(x[i]);
        v[i] = fma_of(at.sin / at.cos, sigma, median);
      }
    });
    return;
  }
  const float m = static_cast<float>(median), s = static_cast<float>(sigma);
  fill_floats(out, type, n, stream, [=](const uint32_t* w, float* v) {
    for (int64_t i = 0; i < kTile; ++i) {
      const auto at = sincos_turns(w[i]);
      v[i] = fma_of(at.sin / at.cos, s, m);
    }
  });
}

template <class T>
static void geometric_as(void* out, int64_t n, const PhiloxStream& stream, double p) {
  const double log1m = log_of(1.0 - p); // p below 2^-53 is no different from 2^-53
  const double scale = 1.0 / (log1m < -0x1p-53 ? log1m : -0x1p-53);
  fill_doubles(n, stream,
      [=](const uint64_t* x, double* v) {
        for (int64_t i = 0; i < kTile / 2; ++i) {
          const double trials = __builtin_ceil(log_of(open_unit(x[i])) * scale);
          v[i] = trials > 1.0 ? trials : 1.0;
        }
      },
      [=](const double* v, int64_t at, int64_t m) {
        for (int64_t i = 0; i < m; ++i) {
          static_cast<T*>(out)[at + i] = static_cast<T>(static_cast<int64_t>(v[i]));
        }
      });
}

static void geometric(void* out, RandomType type, int64_t n, PhiloxStream stream, double p) {
  switch (type) {
    case RandomType::UInt8: return geometric_as<uint8_t>(out, n, stream, p);
    case RandomType::Int8: return geometric_as<int8_t>(out, n, stream, p);
    case RandomType::Int16: return geometric_as<int16_t>(out, n, stream, p);
    case RandomType::Int32: return geometric_as<int32_t>(out, n, stream, p);
    case RandomType::Int64: return geometric_as<int64_t>(out, n, stream, p);
    case RandomType::Float: return geometric_as<float>(out, n, stream, p);
    case RandomType::Double: return geometric_as<double>(out, n, stream, p);
    default: break;
  }
  // Half and BFloat16, through a tile of floats.
  const double log1m = log_of(1.0 - p);
  const double scale = 1.0 / (log1m < -0x1p-53 ? log1m : -0x1p-53);
  fill_doubles(n, stream,
      [=](const uint64_t* x, double* v) {
        for (int64_t i = 0; i < kTile / 2; ++i) {
          const double trials = __builtin_ceil(log_of(open_unit(x[i])) * scale);
          v[i] = trials > 1.0 ? trials : 1.0;
        }
      },
      [=](const double* v, int64_t at, int64_t m) {
        alignas(64) float tile[kTile] = {};
        for (int64_t i = 0; i < kTile / 2; ++i) tile[i] = static_cast<float>(v[i]);
        store_floats(tile, out, type, at, m);
      });
}

XPU_LITE_REGISTER_KERNEL(random_uniform, uniform);
XPU_LITE_REGISTER_KERNEL(random_normal, normal);
XPU_LITE_REGISTER_KERNEL(random_log_normal, log_normal);
XPU_LITE_REGISTER_KERNEL(random_exponential, exponential);
XPU_LITE_REGISTER_KERNEL(random_cauchy, cauchy);
XPU_LITE_REGISTER_KERNEL(random_geometric, geometric);

} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
