#pragma once

// One register of elements, in GCC's vector extensions: the same source is 32 bytes
// wide at level avx2 and 64 at avx512. Element<T> says how elements in memory become
// lanes that can be calculated with, and back.

#include <cstddef>
#include <cstdint>

// Vectors are passed between inlined functions only; the other warning is about
// GCC's own header.
#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#define XPU_LITE_LANES inline __attribute__((always_inline))

namespace xpu_lite::ccl::XPU_LITE_LEVEL {
namespace {

#if defined(__AVX512F__)
constexpr int kRegister = 64;
#else
constexpr int kRegister = 32;
#endif

template <class T, int Count = kRegister / static_cast<int>(sizeof(T))>
struct VectorOf {
  typedef T type __attribute__((vector_size(sizeof(T) * Count)));
};
template <class T, int Count = kRegister / static_cast<int>(sizeof(T))>
using Vector = typename VectorOf<T, Count>::type;

template <class V>
XPU_LITE_LANES V load_bytes(const void* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof(V));
  return v;
}

template <class V>
XPU_LITE_LANES void store_bytes(void* p, V v) {
  __builtin_memcpy(p, &v, sizeof(V));
}

template <class V, class From>
XPU_LITE_LANES V bit_cast(From from) {
  static_assert(sizeof(V) == sizeof(From));
  V v;
  __builtin_memcpy(&v, &from, sizeof(V));
  return v;
}

// Elements that are calculated with as they are stored.
template <class T>
struct Element {
  using Memory = T;
  using Lanes = Vector<T>;
  static constexpr int kLanes = kRegister / static_cast<int>(sizeof(T));
  static constexpr bool kFast = true; // worth code of its own for 2 and 4 inputs
  static XPU_LITE_LANES Lanes all(double value) { return Lanes{} + static_cast<T>(value); }
  static XPU_LITE_LANES Lanes load(const void* p) { return load_bytes<Lanes>(p); }
  static XPU_LITE_LANES void store(void* p, Lanes v) { store_bytes(p, v); }
};

} // namespace
} // namespace xpu_lite::ccl::XPU_LITE_LEVEL
