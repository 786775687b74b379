// Stateless random numbers: the key (seed, offset) is read on the device.

#include "backend/xpu/kernels/random_draw.h"

using namespace xk;
using namespace xpu_lite::xpu;
using namespace xpu_lite::cpu;

namespace {

// make(words, values) for every block of every key.
template <class T, class Real, class Make>
inline void for_keys(const RandomKeysArgs<Real>& args, const Make& make) {
  constexpr int each = sizeof(Real) == 8 ? 2 : 4;
  const auto it = item();
  const int64_t per_key = (args.each + each - 1) / each;
  const int64_t total = per_key * args.count;
  const int64_t step = static_cast<int64_t>(it.get_global_range(0));
  for (int64_t i = static_cast<int64_t>(it.get_global_id(0)); i < total; i += step) {
    const int64_t key = i / per_key, block = i - key * per_key;
    uint32_t words[4];
    philox_block(PhiloxStream::of_key(args.keys[2 * key], args.keys[2 * key + 1]),
                 static_cast<uint64_t>(block), words);
    Real values[each];
    make(words, values);
    const int64_t at = block * each, left = args.each - at;
    store_block<each>(static_cast<T*>(args.out) + key * args.each, values, at,
                      left < each ? static_cast<int>(left) : each);
  }
}

template <class T>
inline void uniform(const RandomKeysArgs<real_of<T>>& args) {
  using Real = real_of<T>;
  Real low = args.a, high = args.b;
  if constexpr (!std::is_same_v<T, double>) low = round_to<T>(low), high = round_to<T>(high);
  for_keys<T, Real>(args, [=](const uint32_t* w, Real* v) {
    uniform_block<T>(w, low, high, args.c, v);
  });
}

template <class T>
inline void normal(const RandomKeysArgs<real_of<T>>& args) {
  using Real = real_of<T>;
  constexpr int each = sizeof(Real) == 8 ? 2 : 4;
  for_keys<T, Real>(args, [=](const uint32_t* w, Real* v) {
    normal_block(w, v);
#pragma unroll
    for (int i = 0; i < each; ++i) v[i] = fma_of(v[i], args.b, args.a);
  });
}

} // namespace

XK(random_keys_uniform_f32, RandomKeysArgs<float>) { uniform<float>(args); }
XK(random_keys_uniform_f16, RandomKeysArgs<float>) { uniform<f16>(args); }
XK(random_keys_uniform_bf16, RandomKeysArgs<float>) { uniform<bf16>(args); }
XK(random_keys_uniform_f64, RandomKeysArgs<double>) { uniform<double>(args); }
XK(random_keys_normal_f32, RandomKeysArgs<float>) { normal<float>(args); }
XK(random_keys_normal_f16, RandomKeysArgs<float>) { normal<f16>(args); }
XK(random_keys_normal_bf16, RandomKeysArgs<float>) { normal<bf16>(args); }
XK(random_keys_normal_f64, RandomKeysArgs<double>) { normal<double>(args); }

// Key s * count + k is derived from key k with the number first + s.
XK(random_derive_keys, DeriveKeysArgs) {
  const auto it = item();
  const int64_t step = static_cast<int64_t>(it.get_global_range(0));
  for (int64_t i = static_cast<int64_t>(it.get_global_id(0)); i < args.splits * args.count;
       i += step) {
    const int64_t s = i / args.count, k = i - s * args.count;
    uint32_t words[4];
    philox_block(PhiloxStream::of_key(args.keys[2 * k], args.keys[2 * k + 1]),
                 args.first + static_cast<uint64_t>(s), words);
    args.out[2 * i] = words[0] | uint64_t{words[1]} << 32;
    args.out[2 * i + 1] = words[2] | uint64_t{words[3]} << 32;
  }
}

// 1 - (x + 1/2) / 2^32, rounded once; each row starts a new block.
XK(random_dropout_numbers, DropoutNumbersArgs) {
  const auto it = item();
  const int64_t per_row = (args.width + 3) / 4, total = args.rows * per_row;
  const int64_t step = static_cast<int64_t>(it.get_global_range(0));
  for (int64_t b = static_cast<int64_t>(it.get_global_id(0)); b < total; b += step) {
    uint32_t words[4];
    philox_block(args.stream, static_cast<uint64_t>(b), words);
    const int64_t row = b / per_row, first = 4 * (b - row * per_row);
    for (int i = 0; i < 4 && first + i < args.width; ++i) {
      // (2^33 - 2 x - 1) / 2^33: the numerator is exact, its rounding the only one.
      const uint64_t numerator = (uint64_t{1} << 33) - 2 * uint64_t{words[i]} - 1;
      args.out[row * args.width + first + i] = static_cast<float>(numerator) * 0x1p-33f;
    }
  }
}
