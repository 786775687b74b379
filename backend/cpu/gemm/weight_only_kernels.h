#pragma once

// What the driver of weight_only.h asks of an instruction set: weight_only_<isa>.cpp.

#include <algorithm>

#include "backend/cpu/gemm/kernels.h"
#include "backend/cpu/gemm/weight_only.h"

namespace xpu_lite::cpu::gemm {

constexpr int kWeightColumns = 16;  // of a panel
constexpr int kWeightMostRows = 8;

struct WeightOnlyShape {
  int unit;                  // steps of k in a word
  int64_t groups, units, last_units;  // units of a full group and of the last
  int64_t panel_bytes, header_bytes;
  int64_t k_padded;          // what a's rows are padded to with zeros
};

inline WeightOnlyShape weight_only_shape(int bits, int64_t k, int64_t group, bool zeros) {
  WeightOnlyShape s{};
  s.unit = bits == 4 ? 8 : 4;
  const int64_t all = (k + s.unit - 1) / s.unit;
  s.units = group >= k ? all : group / s.unit;
  s.groups = k ? (all + s.units - 1) / s.units : 0;
  s.last_units = s.groups ? all - (s.groups - 1) * s.units : 0;
  s.header_bytes = zeros ? 128 : 64;
  s.panel_bytes = s.groups * s.header_bytes + all * 64;
  s.k_padded = all * s.unit;
  return s;
}

// sums[rows][kPanel], 16 columns of them. a: Float, or BFloat16 where `pairs`.
struct WeightOnlyTile {
  const WeightOnlyShape* shape;
  const void* a;
  int64_t lda;
  const float* a_sums;  // of each group, rows shape->groups apart; only with zeros
  const char* panel;
  float* sums;
  int rows;
  bool zeros;
};

struct WeightOnlyKernels {
  const char* name;
  Isa needs;
  int rows;                   // of the largest tile
  bool pairs;                 // int4 tiles can read BFloat16
  void (*tile8)(const WeightOnlyTile&);
  void (*tile4)(const WeightOnlyTile&);
  void (*tile4_pairs)(const WeightOnlyTile&);
  void (*stage)(const Stage&);
  void (*finish)(const Finish&);
};

extern const WeightOnlyKernels weight_only_avx512bf16, weight_only_avx512, weight_only_avx2;

} // namespace xpu_lite::cpu::gemm
