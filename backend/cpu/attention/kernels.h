#pragma once

// What the choice asks of an instruction set: files whose name ends in a level are
// compiled with its flags and fill one table each from the code in levels/.

#include "backend/cpu/attention/attention.h"
#include "backend/cpu/gemm/kernels.h"
#include "backend/runtime/cpu_features.h"

namespace xpu_lite::cpu::attention {

struct Table {
  Isa needs;
  // By the product of `kernels`, whose a_dtype says what is multiplied.
  bool (*forward)(const AttentionForward&, AttentionType, const gemm::Kernels&);
  bool (*backward)(const AttentionBackward&, AttentionType, const gemm::Kernels&);
  bool (*decode)(const AttentionForward&, AttentionType);
  bool (*decode_paged)(const AttentionForward&, const AttentionPages&, AttentionType);
};

// Rows (heads of a group times queries) up to which decode() is made.
constexpr int64_t kDecodeRows = 16;
// It reads rows of keys and values as they lie.
bool decode_takes(const AttentionForward& p, AttentionType type);
// Pages must be whole steps of its inner loop, of any instruction set.
constexpr int64_t kPageStep = 16;

namespace avx2 {
extern const Table table;
}
namespace avx512 {
extern const Table table;
}
namespace avx512_bf16 {
extern const Table table;
}

} // namespace xpu_lite::cpu::attention
