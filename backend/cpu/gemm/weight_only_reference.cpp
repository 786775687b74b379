// What weight_only.h means, one element after the other.

#include <cstring>

#include "backend/cpu/gemm/int8_values.h"
#include "backend/cpu/gemm/weight_only_kernels.h"

namespace xpu_lite::cpu::gemm {

void weight_only_reference(const WeightOnlyGemm& g) {
  const WeightOnlyShape s = weight_only_shape(g.bits, g.k, g.group, g.zeros);
  for (int64_t i = 0; i < g.m; ++i) {
    for (int64_t j = 0; j < g.n; ++j) {
      const char* from =
          static_cast<const char*>(g.packed) + j / kWeightColumns * s.panel_bytes;
      const int64_t c = j % kWeightColumns;
      double sum = 0;
      for (int64_t group = 0, p = 0; group < s.groups; ++group) {
        const float* scale = reinterpret_cast<const float*>(from);
        const double shift = g.zeros ? scale[kWeightColumns + c] : 0;
        from += s.header_bytes;
        const int64_t units = group + 1 < s.groups ? s.units : s.last_units;
        for (int64_t u = 0; u < units; ++u, from += 64) {
          uint32_t word;
          std::memcpy(&word, from + c * 4, 4);
          for (int64_t step = 0; step < s.unit && p < g.k; ++step, ++p) {
            const int q = g.bits == 8
                              ? static_cast<int8_t>(word >> (8 * step))
                              : static_cast<int>((word >> (step / 2 * 4 + step % 2 * 16)) & 15) - 8;
            sum += (static_cast<double>(q) * scale[c] - shift) * read_value(g.a, g.a_dtype, i * g.lda + p);
          }
        }
      }
      const float x = static_cast<float>(finish_value(g.epilogue, sum, i, j));
      const int64_t at = i * g.ldc + j;
      if (g.c_dtype == DType::Float) static_cast<float*>(g.c)[at] = x;
      if (g.c_dtype == DType::BFloat16) static_cast<bfloat16*>(g.c)[at] = x;
      if (g.c_dtype == DType::Half) static_cast<half*>(g.c)[at] = x;
    }
  }
}

} // namespace xpu_lite::cpu::gemm
