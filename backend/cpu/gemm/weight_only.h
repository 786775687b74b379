#pragma once

// c = epilogue(a W) for float activations and weights kept as int8 or int4 with a scale,
// and perhaps a zero point, for each group of k: W(p, j) = (q - zero) * scale. Few rows
// run at the speed at which the weights come from memory. Products are summed in float;
// q and a are exact, the scale is applied to a group's sum.

#include <string>
#include <vector>

#include "backend/cpu/gemm/packed_gemm.h"

namespace xpu_lite::cpu::gemm {

// q of (p, j) is q[j * k + p], one byte each: -128..127 for 8 bits, -8..7 for 4.
// scale and zero of group g of column j are at [j * groups + g], groups = ceil(k / group).
struct WeightOnlyWeight {
  int bits;       // 8 or 4
  int64_t n, k;
  int64_t group;  // a multiple of 8; or at least k: one group
  const int8_t* q;
  const float* scale;
  const float* zero;  // null: symmetric
};

// "i4_k8n16", "i8_k4n16": panels of 16 columns; for each group its 16 scales (and their
// products with the zero points), then the columns' 32-bit words, each with 8 or 4 steps of k.
size_t weight_only_bytes(int bits, int64_t n, int64_t k, int64_t group, bool zeros);
void weight_only_pack(const WeightOnlyWeight& weight, void* out);  // on a 64-byte boundary

struct WeightOnlyGemm {
  int bits;
  int64_t m, n, k, group;
  bool zeros;
  const void* a;  // rows lda elements apart; Float, BFloat16 or Half
  int64_t lda;
  DType a_dtype;
  const void* packed;
  void* c;
  int64_t ldc;
  DType c_dtype;
  Epilogue epilogue = {};
};

void weight_only_gemm(const WeightOnlyGemm& g);

std::vector<std::string> weight_only_implementations();
bool weight_only_serves(const std::string& name);
const char* weight_only_chosen();
void weight_only_gemm_with(const std::string& name, const WeightOnlyGemm& g);
void weight_only_reference(const WeightOnlyGemm& g);

} // namespace xpu_lite::cpu::gemm
