// The discrete distributions: random_, bernoulli_ and geometric_.

#include "backend/xpu/kernels/fault.h"
#include "backend/xpu/kernels/random_draw.h"

using namespace xk;
using namespace xpu_lite::xpu;
using namespace xpu_lite::cpu;

namespace {

template <class T>
inline T integer_as(uint64_t value) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(value);
  } else if constexpr (std::is_same_v<T, double>) {
    return static_cast<double>(static_cast<int64_t>(value));
  } else {
    return stored<T>(static_cast<float>(static_cast<int64_t>(value)));
  }
}

// base + floor(x * range / 2^32): range at most 2^32.
template <class T>
inline void integers32(const RandomIntegersArgs& args) {
  const uint32_t last = static_cast<uint32_t>(args.range - 1);
  for_blocks<4>(args.n, args.stream, [&](const uint32_t* w, int64_t at, int m) {
    T values[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const uint64_t x = w[i];
      values[i] = integer_as<T>(((x * last + x) >> 32) + args.base);
    }
    store_block<4>(static_cast<T*>(args.out), values, at, m);
  });
}

template <class T>
inline void integers64(const RandomIntegersArgs& args) {
  for_blocks<2>(args.n, args.stream, [&](const uint32_t* w, int64_t at, int m) {
    T values[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const uint64_t x = draw64(w, i);
      values[i] = integer_as<T>((args.range == 0 ? x : sycl::mul_hi(x, args.range)) + args.base);
    }
    store_block<2>(static_cast<T*>(args.out), values, at, m);
  });
}

// Bits: the unsigned integer of the size of the element type.
template <class Bits>
inline void bernoulli(const BernoulliArgs& args) {
  const Bits one = static_cast<Bits>(args.one);
  for_blocks<4>(args.n, args.stream, [&](const uint32_t* w, int64_t at, int m) {
    Bits values[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) values[i] = w[i] <= args.last ? one : Bits{0};
    store_block<4>(static_cast<Bits*>(args.out), values, at, m);
  });
}

// x / 2^32 < p. Scaling by a power of two is exact, so that the comparison is one
// of integers: x < ceil(p 2^32).
template <class Bits, class P>
inline void bernoulli_each(const BernoulliEachArgs& args) {
  const Bits one = static_cast<Bits>(args.one);
  const P* chances = static_cast<const P*>(args.p);
  for_blocks<4>(args.n, args.stream, [&](const uint32_t* w, int64_t at, int m) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (i >= m) break;
      const P p = chances[at + i];
      const bool valid = p >= P(0) && p <= P(1);
      if (!valid) {
        report(args.error, args.op, KernelFault::Value, at + i, args.n, 0, args.what);
      }
      const uint64_t bound =
          valid ? static_cast<uint64_t>(sycl::ceil(p * static_cast<P>(4294967296.0f))) : 0;
      static_cast<Bits*>(args.out)[at + i] = w[i] < bound ? one : Bits{0};
    }
  });
}

// a: 1 / ln(1 - p). The number of trials; Wide as in random_fill.cpp.
template <class T, class Wide>
inline void geometric(const RandomFillArgs<Wide>& args) {
  for_blocks<2>(args.n, args.stream, [&](const uint32_t* w, int64_t at, int m) {
    T values[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      Wide unit;
      if constexpr (std::is_same_v<Wide, double>) {
        unit = open_unit(draw64(w, i));
      } else {
        unit = open_unit(w[2 * i]);
      }
      const Wide trials = sycl::ceil(log_of(unit) * args.a);
      const Wide count = trials > Wide(1) ? trials : Wide(1);
      if constexpr (std::is_integral_v<T> || std::is_same_v<T, double>) {
        values[i] = static_cast<T>(static_cast<int64_t>(count));
      } else if constexpr (std::is_same_v<T, float>) {
        values[i] = static_cast<float>(static_cast<int64_t>(count));
      } else {
        values[i] = stored<T>(static_cast<float>(count));
      }
    }
    store_block<2>(static_cast<T*>(args.out), values, at, m);
  });
}

} // namespace

#define XK_INTEGERS(suffix, T)                                                          \
  XK(random_integers32_##suffix, RandomIntegersArgs) { integers32<T>(args); }           \
  XK(random_integers64_##suffix, RandomIntegersArgs) { integers64<T>(args); }
XK_INTEGERS(u8, uint8_t)
XK_INTEGERS(u16, uint16_t)
XK_INTEGERS(u32, uint32_t)
XK_INTEGERS(u64, uint64_t)
XK_INTEGERS(f32, float)
XK_INTEGERS(f64, double)
XK_INTEGERS(f16, f16)
XK_INTEGERS(bf16, bf16)

#define XK_BERNOULLI(suffix, Bits)                                                      \
  XK(random_bernoulli_##suffix, BernoulliArgs) { bernoulli<Bits>(args); }               \
  XK(random_bernoulli_each_f32_##suffix, BernoulliEachArgs) {                           \
    bernoulli_each<Bits, float>(args);                                                  \
  }                                                                                     \
  XK(random_bernoulli_each_f64_##suffix, BernoulliEachArgs) {                           \
    bernoulli_each<Bits, double>(args);                                                 \
  }
XK_BERNOULLI(u8, uint8_t)
XK_BERNOULLI(u16, uint16_t)
XK_BERNOULLI(u32, uint32_t)
XK_BERNOULLI(u64, uint64_t)

#define XK_GEOMETRIC(suffix, T)                                                         \
  XK(random_geometric_f64_##suffix, RandomFillArgs<double>) { geometric<T, double>(args); } \
  XK(random_geometric_##suffix, RandomFillArgs<float>) { geometric<T, float>(args); }
XK_GEOMETRIC(u8, uint8_t)
XK_GEOMETRIC(i8, int8_t)
XK_GEOMETRIC(i16, int16_t)
XK_GEOMETRIC(i32, int32_t)
XK_GEOMETRIC(i64, int64_t)
XK_GEOMETRIC(f32, float)
XK_GEOMETRIC(f16, f16)
XK_GEOMETRIC(bf16, bf16)
XK(random_geometric_f64_f64, RandomFillArgs<double>) { geometric<double, double>(args); }
