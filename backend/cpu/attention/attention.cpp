// The choice among the implementations of attention.

#include "backend/cpu/attention/attention.h"

#include <omp.h>

#include <cstring>
#include <new>

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

int64_t bytes_of(AttentionType type) {
  return type == AttentionType::Double ? 8 : type == AttentionType::Float ? 4 : 2;
}

// Rows [0, length) of one sequence and head, copied from their pages.
void gather(const AttentionView& from, const AttentionPages& pages, int64_t b, int64_t head,
            int64_t width, int64_t bytes, char* to) {
  for (int64_t j = 0; j < pages.lengths[b]; ++j) {
    const int64_t page = pages.table[b * pages.per_sequence + j / pages.rows];
    const char* row = static_cast<const char*>(from.data) +
        (page * from.batch + head * from.head + j % pages.rows * from.row) * bytes;
    for (int64_t d = 0; d < width; ++d, to += bytes) {
      std::memcpy(to, row + d * from.column * bytes, static_cast<size_t>(bytes));
    }
  }
}

bool gathered(const AttentionForward& p, const AttentionPages& pages, AttentionType type) try {
  const AttentionShape& s = p.shape;
  const int64_t bytes = bytes_of(type), lse_bytes = type == AttentionType::Double ? 8 : 4;
  std::vector<double> unused(static_cast<size_t>(s.heads * s.queries)); // the kernel writes it
  for (int64_t b = 0; b < s.batch; ++b) {
    const int64_t keys = pages.lengths[b];
    std::vector<char> k(static_cast<size_t>(s.kv_heads * keys * s.width * bytes));
    std::vector<char> v(static_cast<size_t>(s.kv_heads * keys * s.value_width * bytes));
    for (int64_t h = 0; h < s.kv_heads; ++h) {
      gather(p.key, pages, b, h, s.width, bytes, k.data() + h * keys * s.width * bytes);
      gather(p.value, pages, b, h, s.value_width, bytes, v.data() + h * keys * s.value_width * bytes);
    }
    AttentionForward one = p;
    one.shape.batch = 1, one.shape.keys = keys, one.shape.causal = false;
    one.key = {k.data(), 0, keys * s.width, s.width, 1};
    one.value = {v.data(), 0, keys * s.value_width, s.value_width, 1};
    for (AttentionView* view : {&one.query, &one.bias, &one.out}) {
      if (view->data) view->data = static_cast<char*>(view->data) + b * view->batch * bytes;
    }
    one.logsumexp = p.logsumexp
        ? static_cast<char*>(p.logsumexp) + b * s.heads * s.queries * lse_bytes
        : static_cast<void*>(unused.data());
    if (!attention_forward(one, type)) return false;
  }
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

bool pages_suit(const AttentionForward& p, const AttentionPages& pages, AttentionType type) {
  AttentionForward some = p;
  some.shape.keys = 1; // how many there are is each sequence's
  return table() && pages.rows % kPageStep == 0 && decode_takes(some, type);
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

bool forward_paged(const AttentionForward& p, const AttentionPages& pages, AttentionType type) {
  return pages_suit(p, pages, type) ? table()->decode_paged(p, pages, type)
                                    : gathered(p, pages, type);
}
bool forward_paged_with(const std::string& name, const AttentionForward& p,
                        const AttentionPages& pages, AttentionType type) {
  if (name == "gathered") return gathered(p, pages, type);
  if (name == "decode_paged" && pages_suit(p, pages, type)) {
    return table()->decode_paged(p, pages, type);
  }
  throw ValueError(message("attention: implementation '", name, "' does not take this problem on "
                           "this processor; known are: decode_paged, gathered"));
}

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
