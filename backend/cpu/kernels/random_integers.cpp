// The discrete distributions: random_ and bernoulli_.

#include "backend/cpu/kernels/random_fill.h"
#include "backend/cpu/kernels/random_tile.h"

namespace xpu_lite::cpu::XPU_LITE_LEVEL {

struct HalfOut {};
struct BFloat16Out {};

template <class T>
static void store_integers(const int64_t* tile, void* out, int64_t at, int64_t m) {
  if constexpr (__is_same(T, HalfOut) || __is_same(T, BFloat16Out)) {
    alignas(64) float values[kTile] = {};
    for (int64_t i = 0; i < m; ++i) values[i] = static_cast<float>(tile[i]);
    store_floats(values, out, __is_same(T, HalfOut) ? RandomType::Half : RandomType::BFloat16,
                 at, m);
  } else {
    T* to = static_cast<T*>(out) + at;
    for (int64_t i = 0; i < m; ++i) to[i] = static_cast<T>(tile[i]);
  }
}

template <class T>
static void integers_as(void* out, int64_t n, const PhiloxStream& stream, uint64_t range,
                        int64_t base) {
  const bool power = range != 0 && (range & (range - 1)) == 0;
  const uint64_t offset = static_cast<uint64_t>(base); // wraps as two's complement does
  if (range != 0 && (range <= (1u << 24) || (power && range <= (uint64_t{1} << 32)))) {
    for_tiles(n, kTile, stream, [=](const uint32_t* w, int64_t at, int64_t m) {
      alignas(64) int64_t values[kTile];
      for (int64_t i = 0; i < kTile; ++i) {
        // range <= 2^32: multiply by range - 1 and add, to stay with 32-bit factors.
        const uint64_t x = w[i];
        values[i] = static_cast<int64_t>(
            ((x * static_cast<uint32_t>(range - 1) + x) >> 32) + offset);
      }
      store_integers<T>(values, out, at, m);
    });
    return;
  }
  for_tiles(n, kTile / 2, stream, [=](const uint32_t* w, int64_t at, int64_t m) {
    alignas(64) int64_t values[kTile / 2];
    for (int64_t i = 0; i < kTile / 2; ++i) {
      const uint64_t x = uint64_t{w[2 * i]} << 32 | w[2 * i + 1];
      const uint64_t value =
          range == 0 ? x
                     : static_cast<uint64_t>((static_cast<unsigned __int128>(x) * range) >> 64);
      values[i] = static_cast<int64_t>(value + offset);
    }
    store_integers<T>(values, out, at, m);
  });
}

static void integers(void* out, RandomType type, int64_t n, PhiloxStream stream, uint64_t range,
                     int64_t base) {
  switch (type) {
    case RandomType::Bool:
    case RandomType::UInt8: return integers_as<uint8_t>(out, n, stream, range, base);
    case RandomType::Int8: return integers_as<int8_t>(out, n, stream, range, base);
    case RandomType::Int16: return integers_as<int16_t>(out, n, stream, range, base);
    case RandomType::Int32: return integers_as<int32_t>(out, n, stream, range, base);
    case RandomType::Int64: return integers_as<int64_t>(out, n, stream, range, base);
    case RandomType::UInt16: return integers_as<uint16_t>(out, n, stream, range, base);
    case RandomType::UInt32: return integers_as<uint32_t>(out, n, stream, range, base);
    case RandomType::UInt64: return integers_as<uint64_t>(out, n, stream, range, base);
    case RandomType::Half: return integers_as<HalfOut>(out, n, stream, range, base);
    case RandomType::BFloat16: return integers_as<BFloat16Out>(out, n, stream, range, base);
    case RandomType::Float: return integers_as<float>(out, n, stream, range, base);
    case RandomType::Double: return integers_as<double>(out, n, stream, range, base);
  }
}

// Calls body(unsigned integer of the type's size, the bits of one in that type).
template <class Body>
static void with_one(RandomType type, const Body& body) {
  switch (type) {
    case RandomType::Bool:
    case RandomType::UInt8:
    case RandomType::Int8: return body(uint8_t{1});
    case RandomType::Int16:
    case RandomType::UInt16: return body(uint16_t{1});
    case RandomType::Int32:
    case RandomType::UInt32: return body(uint32_t{1});
    case RandomType::Int64:
    case RandomType::UInt64: return body(uint64_t{1});
    case RandomType::Half: return body(uint16_t{0x3c00});
    case RandomType::BFloat16: return body(uint16_t{0x3f80});
    case RandomType::Float: return body(uint32_t{0x3f800000});
    case RandomType::Double: return body(uint64_t{0x3ff0000000000000});
  }
}

static void bernoulli(void* out, RandomType type, int64_t n, PhiloxStream stream, double p) {
  // As the last number that counts as one, so that p = 1 fits 32 bits.
  const uint64_t threshold = static_cast<uint64_t>(__builtin_ceil(p * 4294967296.0));
  const uint32_t last = static_cast<uint32_t>(threshold - 1);
  with_one(type, [&](auto one) {
    using Bits = decltype(one);
    const Bits yes = threshold == 0 ? Bits{0} : one;
    for_tiles(n, kTile, stream, [=](const uint32_t* w, int64_t at, int64_t m) {
      Bits* to = static_cast<Bits*>(out) + at;
      for (int64_t i = 0; i < m; ++i) to[i] = w[i] <= last ? yes : Bits{0};
    });
  });
}

template <class P>
static int64_t bernoulli_by(void* out, RandomType type, int64_t n, const PhiloxStream& stream,
                            const P* p) {
  int64_t bad = -1;
  with_one(type, [&](auto one) {
    using Bits = decltype(one);
    for_tiles(n, kTile, stream, [=, &bad](const uint32_t* w, int64_t at, int64_t m) {
      Bits* to = static_cast<Bits*>(out) + at;
      int invalid = 0;
      for (int64_t i = 0; i < m; ++i) {
        const double chance = static_cast<double>(p[at + i]);
        invalid |= !(chance >= 0.0 && chance <= 1.0);
        to[i] = static_cast<double>(w[i]) * 0x1p-32 < chance ? one : Bits{0};
      }
      if (invalid) {
        for (int64_t i = 0; i < m; ++i) {
          if (!(p[at + i] >= P{0} && p[at + i] <= P{1})) {
            __atomic_store_n(&bad, at + i, __ATOMIC_RELAXED);
          }
        }
      }
    });
  });
  return bad;
}

static int64_t bernoulli_each(void* out, RandomType type, int64_t n, PhiloxStream stream,
                              const void* p, bool p_is_double) {
  return p_is_double ? bernoulli_by(out, type, n, stream, static_cast<const double*>(p))
                     : bernoulli_by(out, type, n, stream, static_cast<const float*>(p));
}

XPU_LITE_REGISTER_KERNEL(random_integers, integers);
XPU_LITE_REGISTER_KERNEL(random_bernoulli, bernoulli);
XPU_LITE_REGISTER_KERNEL(random_bernoulli_each, bernoulli_each);

} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
