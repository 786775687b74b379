#pragma once

// From int32 sums to results, and from floats to u8: compiled in each int8_<isa>.cpp,
// which sets XPU_LITE_LEVEL.

#include "backend/cpu/gemm/int8_kernels.h"
#include "backend/cpu/gemm/levels/finish.h"

namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL {
namespace {

// Sums to floats, in place:
//   (sum - a_zero * (column_sum - k * w_zero) - w_zero * row_sum) * a_scale * w_scale
inline void int8_dequantise(const Int8Finish& f) {
  const Int8Gemm& g = *f.gemm;
  const int columns = static_cast<int>(f.columns);
  alignas(64) int32_t correction[kInt8Panel] = {}, w_zero[kInt8Panel] = {};
  alignas(64) float w_scale[kInt8Panel] = {};
  for (int j = 0; j < columns; ++j) {
    correction[j] = f.column_sums[f.column + j];
    w_scale[j] = g.w_scale[f.column + j];
  }
  if (g.w_zero) {
    for (int j = 0; j < columns; ++j) {
      w_zero[j] = g.w_zero[f.column + j];
      correction[j] -= static_cast<int32_t>(g.k) * w_zero[j];
    }
  }
  for (int64_t i = 0; i < f.rows; ++i) {
    const int64_t row = f.row + i;
    int32_t* sums = f.sums + i * kInt8Panel;
    float* out = reinterpret_cast<float*>(sums);
    const float scale = f.a->scale[row * f.a->step];
    const int32_t zero = f.a->zero[row * f.a->step];
    const int32_t row_sum = g.w_zero ? f.a->sums[row] : 0;
    for (int j = 0; j < kInt8Panel; j += kLanes) {
      typedef int32_t Ints __attribute__((vector_size(kLanes * 4)));
      Ints x = *reinterpret_cast<Ints*>(sums + j);
      x -= zero * *reinterpret_cast<Ints*>(correction + j);
      if (g.w_zero) x -= row_sum * *reinterpret_cast<Ints*>(w_zero + j);
      store(out + j, to_float((Bits)x) * splat(scale) * load(w_scale + j));
    }
  }
}

// The low bytes of a register's integers.
XPU_LITE_GEMM_INLINE void int8_store(uint8_t* out, Bits x) {
#if defined(__AVX512F__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtepi32_epi8(x));
#else
  alignas(64) int32_t whole[kLanes];
  __builtin_memcpy(whole, &x, sizeof(whole));
  for (int l = 0; l < kLanes; ++l) out[l] = static_cast<uint8_t>(whole[l]);
#endif
}

// Rounds to nearest even, saturates; a NaN becomes the zero point.
inline void int8_requantise(const float* x, int64_t rows, int64_t columns, const Int8Gemm& g,
                            int64_t row, int64_t column) {
  const bool is_signed = g.c_type == Int8Output::S8;
  const float low = is_signed ? -128.f : 0.f, high = is_signed ? 127.f : 255.f;
  const float inverse = 1.f / g.c_scale, zero = static_cast<float>(g.c_zero);
  for (int64_t i = 0; i < rows; ++i) {
    uint8_t* out = static_cast<uint8_t*>(g.c) + (row + i) * g.ldc + column;
    int64_t j = 0;
    for (; j + kLanes <= columns; j += kLanes) {
      const Reg q = load(x + i * kInt8Panel + j) * splat(inverse);
      const Bits near = nearest(min(max(q, splat(-1024.f)), splat(1024.f)));
      const Reg whole = to_float(unless_nan(q, near, splat_bits(0))) + splat(zero);
      int8_store(out + j, nearest(min(max(whole, splat(low)), splat(high))));
    }
    for (; j < columns; ++j) {
      float q = x[i * kInt8Panel + j] * inverse;
      q = q == q ? __builtin_rintf(q) + zero : zero;
      q = q < low ? low : q;
      q = q > high ? high : q;
      out[j] = static_cast<uint8_t>(static_cast<int32_t>(q));
    }
  }
}

inline void int8_finish(const Int8Finish& f) {
  const Int8Gemm& g = *f.gemm;
  int8_dequantise(f);
  Gemm as_float{};
  as_float.epilogue = g.epilogue;
  Finish rest{&as_float, reinterpret_cast<const float*>(f.sums), f.rows, f.columns, f.row, f.column};
  if (g.c_type < Int8Output::U8) {
    as_float.c = g.c;
    as_float.ldc = g.ldc;
    as_float.c_dtype = g.c_type == Int8Output::Float      ? DType::Float
                       : g.c_type == Int8Output::BFloat16 ? DType::BFloat16
                                                          : DType::Half;
    finish(rest);
    return;
  }
  // The float epilogue in place, then rounding. finish() writes at (row, column).
  as_float.c = reinterpret_cast<float*>(f.sums) - (f.row * kInt8Panel + f.column);
  as_float.ldc = kInt8Panel;
  as_float.c_dtype = DType::Float;
  finish(rest);
  int8_requantise(reinterpret_cast<const float*>(f.sums), f.rows, f.columns, g, f.row, f.column);
}

template <class T, bool factors>
XPU_LITE_GEMM_INLINE Reg int8_load(const Int8Quantise& q, int64_t i) {
  const Reg x = load(static_cast<const T*>(q.a) + i);
  return factors ? x * load(q.factor + i) : x;
}
template <class T, bool factors>
XPU_LITE_GEMM_INLINE float int8_value(const Int8Quantise& q, int64_t i) {
  const float x = static_cast<float>(static_cast<const T*>(q.a)[i]);
  return factors ? x * q.factor[i] : x;
}

// Scale and zero point of a row's range and 0.
template <class T, bool factors>
inline void int8_find_scale(const Int8Quantise& q) {
  float low = 0, high = 0;
  int64_t i = 0;
  Reg lows = zero(), highs = zero();
  for (; i + kLanes <= q.k; i += kLanes) {
    const Reg x = int8_load<T, factors>(q, i);
    lows = min(x, lows);  // a NaN leaves the second operand
    highs = max(x, highs);
  }
  alignas(64) float lanes[2][kLanes];
  store(lanes[0], lows);
  store(lanes[1], highs);
  for (int j = 0; j < kLanes; ++j) {
    low = lanes[0][j] < low ? lanes[0][j] : low;
    high = lanes[1][j] > high ? lanes[1][j] : high;
  }
  for (; i < q.k; ++i) {
    const float x = int8_value<T, factors>(q, i);
    low = x < low ? x : low;
    high = x > high ? x : high;
  }
  const float range = high - low;
  *q.scale = range > 0 ? range / 255.f : 1.f;
  *q.zero = static_cast<int32_t>(__builtin_rintf(-low * (1.f / *q.scale)));
}

template <class T, bool factors>
inline void int8_quantise_row(const Int8Quantise& q) {
  if (!q.given) int8_find_scale<T, factors>(q);
  const float inverse = 1.f / *q.scale, origin = static_cast<float>(*q.zero);
  int64_t i = 0;
  for (; i + kLanes <= q.k; i += kLanes) {
    const Reg x = min(max(fma(int8_load<T, factors>(q, i), splat(inverse), splat(origin)), zero()), splat(255.f));
    int8_store(q.out + i, nearest(x));
  }
  for (; i < q.k; ++i) {
    float x = int8_value<T, factors>(q, i) * inverse + origin;
    x = x > 0 ? x : 0;
    q.out[i] = static_cast<uint8_t>(__builtin_rintf(x < 255.f ? x : 255.f));
  }
  for (; i < q.k_padded; ++i) q.out[i] = 0;
}

template <class T>
inline void int8_quantise_any(const Int8Quantise& q) {
  q.factor ? int8_quantise_row<T, true>(q) : int8_quantise_row<T, false>(q);
}

inline void int8_quantise(const Int8Quantise& q) {
  if (q.type == Int8Input::Float) return int8_quantise_any<float>(q);
  if (q.type == Int8Input::BFloat16) return int8_quantise_any<bfloat16>(q);
  return int8_quantise_any<half>(q);
}

} // namespace
} // namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL
