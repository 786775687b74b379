// Values as unsigned keys whose order is that of the values: not-a-number is the
// greatest, -0 equals 0. In descending order the keys are inverted.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/sort_args.h"

namespace xk {

using xpu_lite::xpu::SortKeysArgs;

inline uint32_t key_of(float x) {
  if (x != x) return 0xffffffffu;
  const uint32_t bits = sycl::bit_cast<uint32_t>(x == 0.0f ? 0.0f : x);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
inline uint64_t key_of(double x) {
  if (x != x) return ~uint64_t{0};
  const uint64_t bits = sycl::bit_cast<uint64_t>(x == 0.0 ? 0.0 : x);
  return bits >> 63 ? ~bits : bits | uint64_t{1} << 63;
}
inline uint32_t key_of(f16 x) { return key_of(static_cast<float>(x)); }
inline uint32_t key_of(bf16 x) { return key_of(widen(x)); }
inline uint64_t key_of(int64_t x) { return static_cast<uint64_t>(x) ^ uint64_t{1} << 63; }
inline uint32_t key_of(int32_t x) { return static_cast<uint32_t>(x) ^ 0x80000000u; }
inline uint32_t key_of(int16_t x) { return key_of(static_cast<int32_t>(x)); }
inline uint32_t key_of(int8_t x) { return key_of(static_cast<int32_t>(x)); }
inline uint32_t key_of(uint8_t x) { return x; }
inline uint32_t key_of(uint16_t x) { return x; }
inline uint32_t key_of(uint32_t x) { return x; }
inline uint64_t key_of(uint64_t x) { return x; }
inline uint32_t key_of(b8 x) { return x.byte != 0; }

template <class T>
inline void sort_keys(const SortKeysArgs& a) {
  using Key = decltype(key_of(T{}));
  const T* values = static_cast<const T*>(a.values);
  Key* keys = static_cast<Key*>(a.keys);
  const Key flip = a.descending ? ~Key{0} : Key{0};
  auto it = item();
  const int64_t step = it.get_global_range(0);
  for (int64_t i = it.get_global_id(0); i < a.numel; i += step)
    keys[i] = key_of(values[i]) ^ flip;
}

} // namespace xk

XK(sort_keys_f32, xk::SortKeysArgs) { xk::sort_keys<float>(args); }
XK(sort_keys_f64, xk::SortKeysArgs) { xk::sort_keys<double>(args); }
XK(sort_keys_f16, xk::SortKeysArgs) { xk::sort_keys<xk::f16>(args); }
XK(sort_keys_bf16, xk::SortKeysArgs) { xk::sort_keys<xk::bf16>(args); }
XK(sort_keys_i64, xk::SortKeysArgs) { xk::sort_keys<int64_t>(args); }
XK(sort_keys_i32, xk::SortKeysArgs) { xk::sort_keys<int32_t>(args); }
XK(sort_keys_i16, xk::SortKeysArgs) { xk::sort_keys<int16_t>(args); }
XK(sort_keys_i8, xk::SortKeysArgs) { xk::sort_keys<int8_t>(args); }
XK(sort_keys_u8, xk::SortKeysArgs) { xk::sort_keys<uint8_t>(args); }
XK(sort_keys_u16, xk::SortKeysArgs) { xk::sort_keys<uint16_t>(args); }
XK(sort_keys_u32, xk::SortKeysArgs) { xk::sort_keys<uint32_t>(args); }
XK(sort_keys_u64, xk::SortKeysArgs) { xk::sort_keys<uint64_t>(args); }
XK(sort_keys_b8, xk::SortKeysArgs) { xk::sort_keys<xk::b8>(args); }
