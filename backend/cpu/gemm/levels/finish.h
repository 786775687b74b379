#pragma once

// From sums to results: the epilogue on the rows of a tile, then one rounding.

#include "backend/cpu/gemm/kernels.h"
#include "backend/cpu/gemm/levels/activation.h"
#include "backend/cpu/gemm/levels/vector.h"

namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL {
namespace {

// The first n of a register's worth of numbers at data[offset].
XPU_LITE_GEMM_INLINE Reg load_any(const void* data, DType dtype, int64_t offset, int n) {
  if (dtype == DType::Float) {
    const float* p = static_cast<const float*>(data) + offset;
    return n == kLanes ? load(p) : load(p, n);
  }
  if (dtype == DType::BFloat16) {
    const bfloat16* p = static_cast<const bfloat16*>(data) + offset;
    return n == kLanes ? load(p) : load(p, n);
  }
  const half* p = static_cast<const half*>(data) + offset;
  return n == kLanes ? load(p) : load(p, n);
}

XPU_LITE_GEMM_INLINE void store_any(void* data, DType dtype, int64_t offset, Reg x, int n) {
  if (dtype == DType::Float) {
    float* p = static_cast<float*>(data) + offset;
    n == kLanes ? store(p, x) : store(p, x, n);
  } else if (dtype == DType::BFloat16) {
    bfloat16* p = static_cast<bfloat16*>(data) + offset;
    n == kLanes ? store(p, x) : store(p, x, n);
  } else {
    half* p = static_cast<half*>(data) + offset;
    n == kLanes ? store(p, x) : store(p, x, n);
  }
}

template <Activation activation>
void finish_rows(const Finish& f) {
  const Gemm& g = *f.gemm;
  const Epilogue& e = g.epilogue;
  const Reg scale = splat(e.scale), beta = splat(e.beta);
  // Register after register of columns, rows within: the bias is loaded once.
  for (int64_t j = 0; j < f.columns; j += kLanes) {
    const int n = f.columns - j < kLanes ? static_cast<int>(f.columns - j) : kLanes;
    const int64_t column = f.column + j;
    const Reg bias =
        e.bias.data ? load_any(e.bias.data, e.bias.dtype, column, n) : zero();
    for (int64_t i = 0; i < f.rows; ++i) {
      const int64_t row = f.row + i;
      Reg x = fma(load(f.sums + i * kPanel + j), scale, bias);
      Reg residual = zero();
      if (e.add.data) {
        residual = beta * load_any(e.add.data, e.add.dtype, row * e.add.ld + column, n);
      }
      if (e.add_first && e.add.data) x += residual;
      x = activate<activation>(x);
      if (e.mul.data) x *= load_any(e.mul.data, e.mul.dtype, row * e.mul.ld + column, n);
      if (!e.add_first && e.add.data) x += residual;
      store_any(g.c, g.c_dtype, row * g.ldc + column, x, n);
    }
  }
}

// Past the caches: on a boundary of the register's size.
template <class T>
XPU_LITE_GEMM_INLINE void stream(T* p, Reg x) {
  if constexpr (sizeof(T) == 4) {
#if defined(__AVX512F__)
    _mm512_stream_ps(p, x);
#else
    _mm256_stream_ps(p, x);
#endif
  } else {
#if defined(__AVX512F__)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), narrow_bfloat16(x));
#else
    _mm_stream_si128(reinterpret_cast<__m128i*>(p), narrow_bfloat16(x));
#endif
  }
}

// The same for whole panels, with at most a bias and a residual in c's dtype: with a
// short k, what finish_rows asks for each register would cost as much as the product.
template <Activation activation, class C, bool residual>
void finish_panel(const Finish& f) {
  const Gemm& g = *f.gemm;
  const Epilogue& e = g.epilogue;
  const Reg scale = splat(e.scale), beta = splat(e.beta);
  constexpr int registers = kPanel / kLanes;
  Reg bias[registers];
  for (int v = 0; v < registers; ++v) {
    bias[v] = e.bias.data ? load_any(e.bias.data, e.bias.dtype, f.column + v * kLanes, kLanes)
                          : zero();
  }
  C* c = static_cast<C*>(g.c) + f.row * g.ldc + f.column;
  const C* add = nullptr;
  if constexpr (residual) add = static_cast<const C*>(e.add.data) + f.row * e.add.ld + f.column;
  const bool before = e.add_first;
  for (int64_t i = 0; i < f.rows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < registers; ++v) {
      Reg x = fma(load(f.sums + i * kPanel + v * kLanes), scale, bias[v]);
      if constexpr (residual) {
        const Reg r = load(add + v * kLanes);
        x = before ? activate<activation>(fma(r, beta, x))
                   : fma(r, beta, activate<activation>(x));
      } else {
        x = activate<activation>(x);
      }
      f.streams ? stream(c + v * kLanes, x) : store(c + v * kLanes, x);
    }
    c += g.ldc;
    if constexpr (residual) add += e.add.ld;
  }
}

template <Activation activation, class C>
void finish_panel_of(const Finish& f) {
  f.gemm->epilogue.add.data ? finish_panel<activation, C, true>(f)
                            : finish_panel<activation, C, false>(f);
}

template <Activation activation>
void finish_with(const Finish& f) {
  const Gemm& g = *f.gemm;
  const Epilogue& e = g.epilogue;
  const bool plain = f.columns == kPanel && !e.mul.data && g.c_dtype != DType::Half &&
      (!e.add.data || e.add.dtype == g.c_dtype);
  if (!plain) return finish_rows<activation>(f);
  g.c_dtype == DType::Float ? finish_panel_of<activation, float>(f)
                            : finish_panel_of<activation, bfloat16>(f);
}

void finish(const Finish& f) {
  switch (f.gemm->epilogue.activation) {
    case Activation::None: return finish_with<Activation::None>(f);
    case Activation::ReLU: return finish_with<Activation::ReLU>(f);
    case Activation::GeluErf: return finish_with<Activation::GeluErf>(f);
    case Activation::GeluTanh: return finish_with<Activation::GeluTanh>(f);
    case Activation::SiLU: return finish_with<Activation::SiLU>(f);
  }
}

} // namespace
} // namespace xpu_lite::cpu::gemm::XPU_LITE_LEVEL
