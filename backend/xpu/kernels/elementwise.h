#pragma once

// The loop of elementwise kernels, written once: Note [Elementwise kernels].
//
// One element per work-item: consecutive work-items touch consecutive addresses,
// and the compiler of the CPU device turns them into plain vector code, which it
// does not do for a loop inside a work-item.
//
// An operator is a struct and a line that names its kernels:
//   XK_OP2(Add, return a + p(0) * b)
//   EW_FLOATS(add, Add, 2) EW_INTS(add, Add, 2)
// Half types compute in float. The result has the type of the operands, unless the
// struct returns bool, a real number for complex operands, or the reverse.
//
// Note [Safe addresses]
// A branch on an argument may become a masked load: the load of an operand that does
// not move is then issued, for no lane, at its address plus the index. Where no
// memory is mapped there, the processor takes a hundred cycles to find out that
// nothing was asked for. So the address is changed to one that is mapped.
//
// Note [Uniform arguments]
// Nothing here indexes the argument struct with a variable, not even in a loop that
// the compiler could unroll: it would copy the struct for every work-item, and
// addresses that are the same for a whole group would stop being so. For the same
// reason division is plain arithmetic and no call of mul_hi.

#include <type_traits>

#include "backend/xpu/kernels/complex.h"
#include "backend/xpu/kernels/device.h"
#include "backend/xpu/kernels/elementwise_args.h"

namespace xk {

using xpu_lite::xpu::DType;
using xpu_lite::xpu::EwArgs;
using xpu_lite::xpu::EwValue;

// Storage types by suffix. A bool is a byte that may hold anything but zero.
namespace type {
struct b8 {
  uint8_t byte;
};
using f32 = float;
using f64 = double;
using f16 = xk::f16;
using bf16 = xk::bf16;
using i64 = int64_t;
using i32 = int32_t;
using i16 = int16_t;
using i8 = int8_t;
using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using c64 = complex<float>;
using c128 = complex<double>;
using c32 = complex<xk::f16>;
} // namespace type

template <class T>
struct compute {
  using type = T;
};
template <>
struct compute<f16> {
  using type = float;
};
template <>
struct compute<bf16> {
  using type = float;
};
template <>
struct compute<type::b8> {
  using type = bool;
};
template <>
struct compute<type::c32> {
  using type = complex<float>;
};
template <class T>
using compute_t = typename compute<T>::type;

// By the bits: CPU devices lack the built-in conversions, or call a function.
inline float from_bf16(bf16 v) {
  return sycl::bit_cast<float>(uint32_t(sycl::bit_cast<uint16_t>(v)) << 16);
}
inline bf16 to_bf16(float v) {
  const uint32_t bits = sycl::bit_cast<uint32_t>(v);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return sycl::bit_cast<bf16>(uint16_t(v != v ? 0x7fc0u : rounded));
}

template <class C, class T>
inline C widen(T v) {
  if constexpr (std::is_same_v<T, type::b8>) return C(v.byte != 0);
  else if constexpr (std::is_same_v<T, bf16>) return C(from_bf16(v));
  else if constexpr (is_complex<C> && !is_complex<T>) return C(typename C::real_type(v));
  else return C(v);
}
template <class T, class C>
inline T narrow(C v) {
  if constexpr (std::is_same_v<T, type::b8>) return T{uint8_t(nonzero(v))};
  else if constexpr (std::is_same_v<T, bf16>) return to_bf16(v);
  else return T(v);
}

// A scalar in the encoding of class C.
template <class C>
inline C decode(const EwValue& v) {
  if constexpr (std::is_integral_v<C>) return C(*reinterpret_cast<const int64_t*>(&v));
  else return *reinterpret_cast<const C*>(&v);
}

// What a kernel of 16-bit floats stores, while it computes in float.
enum class Stored { kWhole, kF16, kBF16 };
template <class T>
inline constexpr Stored stored_as = std::is_same_v<T, f16>    ? Stored::kF16
    : std::is_same_v<T, bf16> ? Stored::kBF16
                              : Stored::kWhole;

// The operator's scalars: p(i), or p.as<int64_t>(i) in another encoding.
template <class C>
struct Params {
  const EwValue* value;
  Stored stored; // a constant of the kernel
  C operator()(int i) const { return decode<C>(value[i]); }
  // Rounded as if it had been stored and read again.
  C rounded(C v) const {
    if constexpr (std::is_same_v<C, float>) {
      if (stored == Stored::kF16) return float(f16(v));
      if (stored == Stored::kBF16) return from_bf16(to_bf16(v));
    }
    return v;
  }
  template <class U>
  U as(int i) const {
    return decode<U>(value[i]);
  }
};

// What a kernel of T writes when its operator returns R.
template <class T, class R>
using stored_t = std::conditional_t<
    std::is_same_v<R, bool>, type::b8,
    std::conditional_t<is_complex<T> != is_complex<R>, R, T>>;

// A complex number moves as one word: two interleaved halves would be gathered.
template <class T>
inline T read(const T* p) {
  if constexpr (std::is_same_v<T, type::c64>) {
    const uint64_t v = *reinterpret_cast<const uint64_t*>(p);
    return {sycl::bit_cast<float>(uint32_t(v)), sycl::bit_cast<float>(uint32_t(v >> 32))};
  } else {
    return *p;
  }
}
template <class T>
inline void write(T* p, T v) {
  if constexpr (std::is_same_v<T, type::c64>) {
    *reinterpret_cast<uint64_t*>(p) = uint64_t(sycl::bit_cast<uint32_t>(v.re)) |
        uint64_t(sycl::bit_cast<uint32_t>(v.im)) << 32;
  } else {
    *p = v;
  }
}

// The same value, but the compiler cannot see that the load of a fixed operand and
// that of a moving one are alike; it would merge them into a gather.
template <class T>
inline T opaque(T v, uint32_t zero) {
  if constexpr (is_complex<T>) {
    return {opaque(v.re, zero), opaque(v.im, zero)};
  } else {
    using U = std::conditional_t<
        sizeof(T) == 8, uint64_t,
        std::conditional_t<sizeof(T) == 4, uint32_t,
                           std::conditional_t<sizeof(T) == 2, uint16_t, uint8_t>>>;
    return sycl::bit_cast<T>(U(sycl::bit_cast<U>(v) ^ U(zero)));
  }
}

inline uint32_t divide(uint32_t n, const xpu_lite::xpu::Divider& d) {
  return uint32_t(((uint64_t(n) * d.magic >> 32) + n) >> d.shift);
}

// Adds the offsets of `index`, counted from dimension D on.
template <int D, size_t... K>
inline void offsets(const EwArgs& a, uint32_t index, int64_t* offset,
                    std::index_sequence<K...> all) {
  if constexpr (D < xpu_lite::xpu::kEwOuterDims) {
    if (D >= int(a.dims)) return;
    const uint32_t q = divide(index, a.dim[D]);
    const int64_t r = index - q * a.dim[D].size;
    ((offset[K] += r * a.stride[K][D]), ...);
    offsets<D + 1>(a, q, offset, all);
  }
}

template <class T, int K>
inline compute_t<T> load_row(const EwArgs& a, int64_t offset, size_t i) {
  using C = compute_t<T>;
  const T* row = reinterpret_cast<const T*>(a.ptr[K] + offset);
  if (a.mode[K] == xpu_lite::xpu::kMoves) {
    return widen<C>(read(reinterpret_cast<const T*>(a.base[K] + (offset & a.mask[K])) + i));
  }
  if (a.mode[K] == xpu_lite::xpu::kFixed) return widen<C>(opaque(*row, a.zero));
  return decode<C>(a.constant[K]);
}

template <class T, class R>
inline void store_row(char* row, size_t i, R v) {
  using S = stored_t<T, R>;
  write(reinterpret_cast<S*>(row) + i, narrow<S>(v));
}

template <class Op, class T, class... In, size_t... K>
inline void rows(const EwArgs& a, std::index_sequence<K...>) {
  using C = compute_t<T>;
  const auto it = item();
  const Params<C> p{a.param, stored_as<T>};
  uint32_t chunk = it.get_group_linear_id();
  if constexpr (sizeof(T) <= 2 && sizeof...(In) != 0) {
    // So little work to an element that the choices below would be most of it.
    if (a.flat != 0) {
      const size_t i = size_t(chunk) * it.get_local_range(0) + it.get_local_id(0);
      if (i >= a.items) return;
      store_row<T>(a.ptr[0], i, Op::template run<C>(p, widen<compute_t<In>>(
          read(reinterpret_cast<const In*>(a.ptr[K + 1]) + i))...));
      return;
    }
  }
  int64_t offset[sizeof...(In) + 1] = {};
  if (a.dims != 0) {
    const uint32_t row = divide(chunk, a.chunks);
    chunk -= row * a.chunks.size;
    offsets<0>(a, row, offset, std::make_index_sequence<sizeof...(In) + 1>());
  }
  const size_t i = size_t(chunk) * it.get_local_range(0) + it.get_local_id(0);
  if (i >= a.items) return;
  store_row<T>(a.ptr[0] + offset[0], i,
               Op::template run<C>(p, load_row<In, K + 1>(a, offset[K + 1], i)...));
}

// All inputs of type T.
template <class Op, class T, size_t N>
inline void same(const EwArgs& a) {
  if constexpr (N == 0) rows<Op, T>(a, std::index_sequence<>());
  if constexpr (N == 1) rows<Op, T, T>(a, std::index_sequence<0>());
  if constexpr (N == 2) rows<Op, T, T, T>(a, std::index_sequence<0, 1>());
  if constexpr (N == 3) rows<Op, T, T, T, T>(a, std::index_sequence<0, 1, 2>());
  if constexpr (N == 4) rows<Op, T, T, T, T, T>(a, std::index_sequence<0, 1, 2, 3>());
}

} // namespace xk

#define XK_OP0(name, ...) \
  struct name { \
    template <class T> \
    static auto run(const xk::Params<T>& p) { __VA_ARGS__; } \
  };
#define XK_OP1(name, ...) \
  struct name { \
    template <class T> \
    static auto run(const xk::Params<T>& p, T a) { __VA_ARGS__; } \
  };
#define XK_OP2(name, ...) \
  struct name { \
    template <class T> \
    static auto run(const xk::Params<T>& p, T a, T b) { __VA_ARGS__; } \
  };
#define XK_OP3(name, ...) \
  struct name { \
    template <class T> \
    static auto run(const xk::Params<T>& p, T a, T b, T c) { __VA_ARGS__; } \
  };
#define XK_OP4(name, ...) \
  struct name { \
    template <class T> \
    static auto run(const xk::Params<T>& p, T a, T b, T c, T d) { __VA_ARGS__; } \
  };

#define EW_TYPED(op, Op, n, t) \
  XK(ew_##op##_##t, xpu_lite::xpu::EwArgs) { xk::same<Op, xk::type::t, n>(args); }
#define EW_FLOATS(op, Op, n) \
  EW_TYPED(op, Op, n, f32) EW_TYPED(op, Op, n, f64) \
  EW_TYPED(op, Op, n, f16) EW_TYPED(op, Op, n, bf16)
#define EW_INTS(op, Op, n) \
  EW_TYPED(op, Op, n, i64) EW_TYPED(op, Op, n, i32) EW_TYPED(op, Op, n, i16) \
  EW_TYPED(op, Op, n, i8) EW_TYPED(op, Op, n, u8)
#define EW_UNSIGNED(op, Op, n) \
  EW_TYPED(op, Op, n, u16) EW_TYPED(op, Op, n, u32) EW_TYPED(op, Op, n, u64)
#define EW_BOOL(op, Op, n) EW_TYPED(op, Op, n, b8)
#define EW_COMPLEX(op, Op, n) EW_TYPED(op, Op, n, c64) EW_TYPED(op, Op, n, c128)
