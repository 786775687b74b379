#pragma once

// From int32 sums to results in one pass: compiled in each int8_finish_<isa>.cpp, which
// sets XPU_LITE_LEVEL. With a short k this costs as much as the product.

#include <type_traits>

#include "backend/cpu/conv/int8_plan.h"
#include "backend/cpu/gemm/levels/activation.h"

namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL {
namespace {

using conv::Int8Convolution;
using conv::Int8Finish;

constexpr int kRegisters = kInt8Panel / kLanes;

// So many bytes as a register of integers.
XPU_LITE_GEMM_INLINE Bits widen(const uint8_t* p) {
#if defined(__AVX512F__)
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#else
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
#endif
}
XPU_LITE_GEMM_INLINE Bits widen(const int8_t* p) {
#if defined(__AVX512F__)
  return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#else
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
#endif
}
XPU_LITE_GEMM_INLINE Bits minus(Bits a, Bits b) {
#if defined(__AVX512F__)
  return _mm512_sub_epi32(a, b);
#else
  return _mm256_sub_epi32(a, b);
#endif
}

// Integers, already within the type's range, as bytes.
XPU_LITE_GEMM_INLINE void narrow_to(void* out, Bits x) {
#if defined(__AVX512F__)
  _mm_storeu_si128(static_cast<__m128i*>(out), _mm512_cvtepi32_epi8(x));
#else
  const __m256i low = _mm256_and_si256(x, _mm256_set1_epi32(255));
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(low),
                                         _mm256_extracti128_si256(low, 1));
  _mm_storel_epi64(static_cast<__m128i*>(out), _mm_packus_epi16(words, words));
#endif
}

template <class Add>
XPU_LITE_GEMM_INLINE Reg load_added(const Add* p) {
  if constexpr (sizeof(Add) == 1) {
    return to_float(widen(p));
  } else {
    return load(p);
  }
}

// Of whole panels. Add: void for none.
template <Activation activation, class Out, class Add>
void finish_pixels(const Int8Finish& f, Out* out, int64_t ld, const Add* add, int64_t add_ld) {
  const Int8Convolution& c = *f.convolution;
  constexpr bool quantised = sizeof(Out) == 1;
  constexpr bool adds = !std::is_void_v<Add>;
  Bits correction[kRegisters];
  Reg scale[kRegisters], bias[kRegisters];
  for (int v = 0; v < kRegisters; ++v) {
    correction[v] = load_bits(f.correction + v * kLanes);
    scale[v] = load(f.scale + v * kLanes);
    bias[v] = load(f.bias + v * kLanes);
  }
  Reg add_scale = splat(1.f);
  if constexpr (adds) {
    if constexpr (sizeof(Add) == 1) {
      add_scale = splat(c.add.scale);
      const Reg origin = splat(static_cast<float>(-c.add.zero)) * add_scale;
      for (int v = 0; v < kRegisters; ++v) bias[v] += origin;
    }
  }
  const Reg inverse = splat(1.f / c.output_scale), zero_point = splat(static_cast<float>(c.output_zero));
  const Reg low = splat(std::is_same_v<Out, int8_t> ? -128.f : 0.f);
  const Reg high = splat(std::is_same_v<Out, int8_t> ? 127.f : 255.f);
  for (int64_t i = 0; i < f.rows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kRegisters; ++v) {
      const Bits sum = load_bits(f.sums + i * kInt8Panel + v * kLanes);
      Reg x = fma(to_float(minus(sum, correction[v])), scale[v], bias[v]);
      if constexpr (adds) {
        x = fma(load_added(add + i * add_ld + v * kLanes), add_scale, x);
      }
      x = activate<activation>(x);
      if constexpr (quantised) {
        // The limit that a NaN takes is the low one: the second operand of max().
        const Reg q = min(max(fma(x, inverse, zero_point), low), high);
        narrow_to(out + i * ld + v * kLanes, nearest(q));
      } else {
        store(out + i * ld + v * kLanes, x);
      }
    }
  }
}

template <Activation activation, class Out, class Add>
void finish_columns(const Int8Finish& f, const Add* add) {
  const Int8Convolution& c = *f.convolution;
  const int64_t ld = c.out_channels, at = f.pixel * ld + f.column;
  Out* out = static_cast<Out*>(c.output) + at;
  if constexpr (!std::is_void_v<Add>) add += at;
  if (f.columns == kInt8Panel) return finish_pixels<activation, Out, Add>(f, out, ld, add, ld);
  // The last columns through buffers of whole panels.
  Out some[kInt8MostRows * kInt8Panel];
  const size_t bytes = static_cast<size_t>(f.columns) * sizeof(Out);
  if constexpr (std::is_void_v<Add>) {
    finish_pixels<activation, Out, Add>(f, some, kInt8Panel, add, 0);
  } else {
    Add other[kInt8MostRows * kInt8Panel] = {};
    for (int64_t i = 0; i < f.rows; ++i) {
      __builtin_memcpy(other + i * kInt8Panel, add + i * ld,
                       static_cast<size_t>(f.columns) * sizeof(Add));
    }
    finish_pixels<activation, Out, Add>(f, some, kInt8Panel, other, kInt8Panel);
  }
  for (int64_t i = 0; i < f.rows; ++i) {
    __builtin_memcpy(out + i * ld, some + i * kInt8Panel, bytes);
  }
}

template <Activation activation, class Out>
void finish_adding(const Int8Finish& f) {
  const conv::Int8Add& add = f.convolution->add;
  if (!add.data) return finish_columns<activation, Out, void>(f, nullptr);
  switch (add.type) {
    case Int8Output::Float:
      return finish_columns<activation, Out>(f, static_cast<const float*>(add.data));
    case Int8Output::BFloat16:
      return finish_columns<activation, Out>(f, static_cast<const bfloat16*>(add.data));
    case Int8Output::Half:
      return finish_columns<activation, Out>(f, static_cast<const half*>(add.data));
    case Int8Output::U8:
      return finish_columns<activation, Out>(f, static_cast<const uint8_t*>(add.data));
    case Int8Output::S8:
      return finish_columns<activation, Out>(f, static_cast<const int8_t*>(add.data));
  }
}

template <Activation activation>
void finish_output(const Int8Finish& f) {
  switch (f.convolution->output_type) {
    case Int8Output::Float: return finish_adding<activation, float>(f);
    case Int8Output::BFloat16: return finish_adding<activation, bfloat16>(f);
    case Int8Output::Half: return finish_adding<activation, half>(f);
    case Int8Output::U8: return finish_adding<activation, uint8_t>(f);
    case Int8Output::S8: return finish_adding<activation, int8_t>(f);
  }
}

void finish_any(const Int8Finish& f) {
  switch (f.convolution->activation) {
    case Activation::None: return finish_output<Activation::None>(f);
    case Activation::ReLU: return finish_output<Activation::ReLU>(f);
    case Activation::GeluErf: return finish_output<Activation::GeluErf>(f);
    case Activation::GeluTanh: return finish_output<Activation::GeluTanh>(f);
    case Activation::SiLU: return finish_output<Activation::SiLU>(f);
  }
}

} // namespace
} // namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL
