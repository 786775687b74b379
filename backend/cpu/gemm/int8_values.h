#pragma once

// What the references of int8_gemm.h and weight_only.h share: values of any type, one by
// one, and the epilogue in double.

#include <cmath>
#include <cstdint>

#include "backend/cpu/gemm/packed_gemm.h"
#include "backend/cpu/kernels/scalar_types.h"

namespace xpu_lite::cpu::gemm {
namespace {

inline float read_value(const void* data, DType dtype, int64_t i) {
  if (dtype == DType::Float) return static_cast<const float*>(data)[i];
  if (dtype == DType::BFloat16) return static_cast<const bfloat16*>(data)[i];
  return static_cast<const half*>(data)[i];
}

inline double activate_value(Activation which, double x) {
  switch (which) {
    case Activation::None: return x;
    case Activation::ReLU: return x > 0 ? x : 0;
    case Activation::GeluErf: return 0.5 * x * (1 + std::erf(x * 0.70710678118654752));
    case Activation::GeluTanh:
      return 0.5 * x * (1 + std::tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
    case Activation::SiLU: return x / (1 + std::exp(-x));
  }
  return x;
}

// x: the product of element (i, j), before the epilogue.
inline double finish_value(const Epilogue& e, double x, int64_t i, int64_t j) {
  x *= e.scale;
  if (e.bias.data) x += read_value(e.bias.data, e.bias.dtype, j);
  double residual = 0;
  if (e.add.data) {
    residual = e.beta * static_cast<double>(read_value(e.add.data, e.add.dtype, i * e.add.ld + j));
  }
  if (e.add_first) x += residual;
  x = activate_value(e.activation, x);
  if (e.mul.data) x *= read_value(e.mul.data, e.mul.dtype, i * e.mul.ld + j);
  return e.add_first ? x : x + residual;
}

} // namespace
} // namespace xpu_lite::cpu::gemm
