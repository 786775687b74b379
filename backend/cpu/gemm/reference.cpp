// The meaning of gemm(), in plain loops: reads the packed form, so that it is an
// implementation like the others, for any processor.

#include <cmath>

#include "backend/cpu/gemm/kernels.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/cpu/parallel.h"

namespace xpu_lite::cpu::gemm {
namespace {

float value(const void* data, DType dtype, int64_t i) {
  if (dtype == DType::Float) return static_cast<const float*>(data)[i];
  if (dtype == DType::BFloat16) return static_cast<const bfloat16*>(data)[i];
  return static_cast<const half*>(data)[i];
}

float rounded(float x, DType dtype) {
  if (dtype == DType::BFloat16) return bfloat16(x);
  return dtype == DType::Half ? static_cast<float>(half(x)) : x;
}

void set(void* data, DType dtype, int64_t i, float x) {
  if (dtype == DType::Float) {
    static_cast<float*>(data)[i] = x;
  } else if (dtype == DType::BFloat16) {
    static_cast<bfloat16*>(data)[i] = bfloat16(x);
  } else {
    static_cast<half*>(data)[i] = half(x);
  }
}

float activated(Activation activation, float x) {
  switch (activation) {
    case Activation::None: return x;
    case Activation::ReLU: return x < 0 ? 0 : x;
    case Activation::GeluErf: return 0.5f * x * (1 + std::erf(x * 0.70710678f));
    case Activation::GeluTanh:
      return 0.5f * x * (1 + std::tanh(0.79788456f * (x + 0.044715f * x * x * x)));
    case Activation::SiLU: return x / (1 + std::exp(-x));
  }
  return x;
}

float finished(const Epilogue& e, float sum, int64_t i, int64_t j) {
  float x = e.scale * sum;
  if (e.bias.data) x += value(e.bias.data, e.bias.dtype, j);
  const float residual =
      e.add.data ? e.beta * value(e.add.data, e.add.dtype, i * e.add.ld + j) : 0;
  if (e.add.data && e.add_first) x += residual;
  x = activated(e.activation, x);
  if (e.mul.data) x *= value(e.mul.data, e.mul.dtype, i * e.mul.ld + j);
  if (e.add.data && !e.add_first) x += residual;
  return x;
}

} // namespace

void reference_gemm(const Gemm& g) {
  const int64_t group = k_group(g.dtype), panel_size = panel_k(g.dtype, g.k) * kPanel;
  parallel_for(0, g.m, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      for (int64_t j = 0; j < g.n; ++j) {
        const int64_t column = j / kPanel * panel_size + j % kPanel * group;
        float sum = 0;
        for (int64_t p = 0; p < g.k; ++p) {
          const int64_t at = column + p / group * group * kPanel + p % group;
          const float a = value(g.a, g.a_dtype, g.a_transposed ? p * g.lda + i : i * g.lda + p);
          sum += rounded(a, g.dtype) * value(g.packed, g.dtype, at);
        }
        set(g.c, g.c_dtype, i * g.ldc + j, finished(g.epilogue, sum, i, j));
      }
    }
  });
}

} // namespace xpu_lite::cpu::gemm
