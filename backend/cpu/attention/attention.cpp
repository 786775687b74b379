// The choice among the implementations of attention.

#include "backend/cpu/attention/attention.h"

#include <omp.h>

#include "backend/cpu/attention/kernels.h"
#include "backend/runtime/error.h"

namespace xpu_lite::cpu::attention {
namespace {

const Table* table_of_processor() {
  for (const Table* t : {&avx512_bf16::table, &avx512::table, &avx2::table}) {
    if (isa() >= t->needs) return t;
  }
  return nullptr;
}
const Table* table() {
  static const Table* const found = table_of_processor();
  return found;
}

// The GEMM's kernels for blocks of rows; null where its choice is the reference.
const gemm::Kernels* products(bool pairs) {
  constexpr int64_t kMany = 64;
  if (!table()) return nullptr;
  if (!pairs) return gemm::chosen_kernels(DType::Float, kMany);
  const gemm::Kernels* k = gemm::chosen_kernels(DType::BFloat16, kMany);
  return k && k->a_dtype == DType::BFloat16 ? k : nullptr;
}

bool has_rows(const AttentionShape& s) {
  return s.queries > 0 && s.keys > 0 && s.batch > 0 && s.heads > 0;
}

enum class Way { Decode, GemmBf16, GemmF32, Blocked };
struct Named {
  const char* name;
  Way way;
};
constexpr Named kList[] = {{"decode", Way::Decode},
                           {"gemm_bf16", Way::GemmBf16},
                           {"gemm_f32", Way::GemmF32},
                           {"blocked", Way::Blocked}};

const gemm::Kernels* kernels_for(Way way, const AttentionShape& s, AttentionType type) {
  if (!has_rows(s) || type == AttentionType::Double) return nullptr;
  if (way == Way::GemmBf16) return type == AttentionType::BFloat16 ? products(true) : nullptr;
  return products(false);
}

bool takes(Way way, const AttentionForward& p, AttentionType type) {
  if (way == Way::Blocked) return true;
  if (way == Way::Decode) return table() && decode_takes(p, type);
  return kernels_for(way, p.shape, type) != nullptr;
}

bool takes(Way way, const AttentionBackward& p, AttentionType type) {
  if (way == Way::Blocked) return true;
  // The bias's gradient sums over heads.
  return way != Way::Decode && !p.grad_bias.data && kernels_for(way, p.shape, type) != nullptr;
}

bool run(Way way, const AttentionForward& p, AttentionType type) {
  if (way == Way::Blocked) return attention_forward(p, type);
  if (way == Way::Decode) return table()->decode(p, type);
  return table()->forward(p, type, *kernels_for(way, p.shape, type));
}
bool run(Way way, const AttentionBackward& p, AttentionType type) {
  if (way == Way::Blocked) return attention_backward(p, type);
  return table()->backward(p, type, *kernels_for(way, p.shape, type));
}

// Of what takes the problem, what is made for it.
bool suits(Way, const AttentionForward&) { return true; }
bool suits(Way way, const AttentionBackward& p) {
  // A task is a head of keys: fewer leave threads without work.
  return way == Way::Blocked || p.shape.batch * p.shape.kv_heads >= omp_get_max_threads();
}

template <class Problem>
bool choose(const Problem& p, AttentionType type) {
  for (const Named& n : kList) {
    if (suits(n.way, p) && takes(n.way, p, type)) return run(n.way, p, type);
  }
  return false;
}

template <class Problem>
bool run_named(const std::string& name, const Problem& p, AttentionType type) {
  for (const Named& n : kList) {
    if (name == n.name && takes(n.way, p, type)) return run(n.way, p, type);
  }
  throw ValueError(message("attention: implementation '", name, "' does not take this problem on "
                           "this processor; known are: decode, gemm_bf16, gemm_f32, blocked"));
}

} // namespace

bool decode_takes(const AttentionForward& p, AttentionType type) {
  const AttentionShape& s = p.shape;
  constexpr int64_t kWidest = 512;
  const auto whole = [](int64_t n) { return n > 0 && n % 32 == 0 && n <= kWidest; };
  return has_rows(s) && type != AttentionType::Double && s.dropout == 0 &&
      s.heads / s.kv_heads * s.queries <= kDecodeRows && whole(s.width) &&
      whole(s.value_width) && p.key.column == 1 && p.value.column == 1;
}

bool forward(const AttentionForward& p, AttentionType type) { return choose(p, type); }
bool backward(const AttentionBackward& p, AttentionType type) { return choose(p, type); }

std::vector<std::string> implementations() {
  std::vector<std::string> all;
  for (const Named& n : kList) all.push_back(n.name);
  return all;
}
bool forward_with(const std::string& name, const AttentionForward& p, AttentionType type) {
  return run_named(name, p, type);
}
bool backward_with(const std::string& name, const AttentionBackward& p, AttentionType type) {
  return run_named(name, p, type);
}

} // namespace xpu_lite::cpu::attention
