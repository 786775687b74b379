// What int8_gemm.h means, one element after the other.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "backend/cpu/gemm/int8_kernels.h"
#include "backend/cpu/gemm/int8_values.h"

namespace xpu_lite::cpu::gemm {
namespace {

DType float_type(Int8Input type) {
  return type == Int8Input::Float      ? DType::Float
         : type == Int8Input::BFloat16 ? DType::BFloat16
                                       : DType::Half;
}

struct Row {
  std::vector<int32_t> q;
  float scale;
  int32_t zero;
};

float input_value(const Int8Gemm& g, int64_t i, int64_t p) {
  const float x = read_value(g.a, float_type(g.a_type), i * g.lda + p);
  return g.a_factor ? x * g.a_factor[p] : x;
}

Row row_of(const Int8Gemm& g, int64_t i) {
  Row row;
  row.q.resize(static_cast<size_t>(g.k));
  if (g.a_type <= Int8Input::S8) {
    for (int64_t p = 0; p < g.k; ++p) {
      row.q[p] = g.a_type == Int8Input::U8 ? static_cast<const uint8_t*>(g.a)[i * g.lda + p]
                                           : static_cast<const int8_t*>(g.a)[i * g.lda + p];
    }
    const int64_t at = g.a_per_row ? i : 0;
    row.scale = g.a_scale[at];
    row.zero = g.a_zero ? g.a_zero[at] : 0;
    return row;
  }
  if (g.a_static) {
    row.scale = *g.a_scale;
    row.zero = g.a_zero ? *g.a_zero : 0;
  } else {
    float low = 0, high = 0;
    for (int64_t p = 0; p < g.k; ++p) {
      const float x = input_value(g, i, p);
      low = std::min(low, x);
      high = std::max(high, x);
    }
    row.scale = high > low ? (high - low) / 255.f : 1.f;
    row.zero = static_cast<int32_t>(std::nearbyint(-low * (1.f / row.scale)));
  }
  const float inverse = 1.f / row.scale;
  for (int64_t p = 0; p < g.k; ++p) {
    const float x = input_value(g, i, p);
    const float q = std::fma(x, inverse, static_cast<float>(row.zero));
    row.q[p] = static_cast<int32_t>(std::nearbyint(std::clamp(q, 0.f, 255.f)));
  }
  return row;
}

void write(const Int8Gemm& g, int64_t i, double x) {
  switch (g.c_type) {
    case Int8Output::Float: static_cast<float*>(g.c)[i] = static_cast<float>(x); return;
    case Int8Output::BFloat16: static_cast<bfloat16*>(g.c)[i] = static_cast<float>(x); return;
    case Int8Output::Half: static_cast<half*>(g.c)[i] = static_cast<float>(x); return;
    default: break;
  }
  const double q = std::nearbyint(x / g.c_scale) + g.c_zero;
  if (g.c_type == Int8Output::U8) {
    static_cast<uint8_t*>(g.c)[i] = static_cast<uint8_t>(std::clamp(q, 0., 255.));
  } else {
    static_cast<int8_t*>(g.c)[i] = static_cast<int8_t>(std::clamp(q, -128., 127.));
  }
}

} // namespace

void int8_reference(const Int8Gemm& g) {
  const auto* panels = static_cast<const int8_t*>(g.packed);
  for (int64_t i = 0; i < g.m; ++i) {
    const Row row = row_of(g, i);
    for (int64_t j = 0; j < g.n; ++j) {
      const int8_t* w = panels + j / kInt8Panel * int8_panel_bytes(g.k) + j % kInt8Panel * kInt8Group;
      const int32_t w_zero = g.w_zero ? g.w_zero[j] : 0;
      int64_t sum = 0;
      for (int64_t p = 0; p < g.k; ++p) {
        const int8_t q = w[p / kInt8Group * kInt8Panel * kInt8Group + p % kInt8Group];
        sum += int64_t{row.q[p] - row.zero} * (q - w_zero);
      }
      const double x = static_cast<double>(sum) * row.scale * g.w_scale[j];
      write(g, i * g.ldc + j, finish_value(g.epilogue, x, i, j));
    }
  }
}

} // namespace xpu_lite::cpu::gemm
