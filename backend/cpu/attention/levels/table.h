#pragma once

// The table of one instruction set. Included by one file each, which defines
// XPU_LITE_LEVEL and kNeeds.

#include "backend/cpu/attention/levels/backward.h"
#include "backend/cpu/attention/levels/decode.h"
#include "backend/cpu/attention/levels/forward.h"

namespace xpu_lite::cpu::attention::XPU_LITE_LEVEL {
namespace {

template <class A>
bool forward_as(const AttentionForward& p, AttentionType type, const gemm::Kernels& kernels) {
  switch (type) {
    case AttentionType::Float: return forward<float, A>(p, kernels);
    case AttentionType::BFloat16: return forward<bfloat16, A>(p, kernels);
    default: return forward<half, A>(p, kernels);
  }
}
template <class A>
bool backward_as(const AttentionBackward& p, AttentionType type, const gemm::Kernels& kernels) {
  switch (type) {
    case AttentionType::Float: return backward<float, A>(p, kernels);
    case AttentionType::BFloat16: return backward<bfloat16, A>(p, kernels);
    default: return backward<half, A>(p, kernels);
  }
}

// Pairs are for bfloat16 alone: nothing is rounded to it that was more.
bool forward_table(const AttentionForward& p, AttentionType type, const gemm::Kernels& kernels) {
  if (kernels.a_dtype == DType::BFloat16) return forward<bfloat16, bfloat16>(p, kernels);
  return forward_as<float>(p, type, kernels);
}
bool backward_table(const AttentionBackward& p, AttentionType type, const gemm::Kernels& kernels) {
  if (kernels.a_dtype == DType::BFloat16) return backward<bfloat16, bfloat16>(p, kernels);
  return backward_as<float>(p, type, kernels);
}

} // namespace

extern constexpr Table table = {kNeeds, forward_table, backward_table, decode, decode_paged};

} // namespace xpu_lite::cpu::attention::XPU_LITE_LEVEL
