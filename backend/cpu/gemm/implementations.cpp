// The ordered list of implementations and the choice among them.

#include <algorithm>
#include <cstdlib>

#include "backend/cpu/gemm/kernels.h"
#include "backend/runtime/error.h"
#include "backend/runtime/options.h"

namespace xpu_lite::cpu::gemm {
namespace {

struct Implementation {
  const char* name;
  const Kernels *f32, *bf16, *f16;
};

// A new instruction set is a line here and a table in levels/.
constexpr Implementation kList[] = {
    {"amx", nullptr, &tiles::amx, nullptr},
    {"avx512_bf16", nullptr, &avx512_bf16::bf16, nullptr},
    {"avx512", &avx512::f32, &avx512::bf16, &avx512::f16},
    {"avx2", &avx2::f32, &avx2::bf16, &avx2::f16},
    {"tile_model", nullptr, &tiles::model, nullptr}, // by name only: others come first
};
constexpr const char* kReference = "reference";

const Kernels* of(const Implementation& implementation, DType dtype) {
  const Kernels* k = dtype == DType::Float  ? implementation.f32
      : dtype == DType::BFloat16            ? implementation.bf16
      : dtype == DType::Half                ? implementation.f16
                                            : nullptr;
  return k && isa() >= k->needs ? k : nullptr;
}

std::string names() {
  std::string all;
  for (const std::string& name : implementations()) all += (all.empty() ? "" : ", ") + name;
  return all;
}

// XPU_LITE_GEMM, checked; empty: the first that can be taken.
const std::string& preferred() {
  static const std::string name = [] {
    options(); // an unknown variable is reported first
    const char* text = std::getenv("XPU_LITE_GEMM");
    if (!text || !*text) return std::string();
    const std::vector<std::string> known = implementations();
    if (std::find(known.begin(), known.end(), text) == known.end()) {
      throw ValueError(
          message("XPU_LITE_GEMM='", text, "' is not a valid value; allowed: ", names()));
    }
    return std::string(text);
  }();
  return name;
}

const Kernels* choose(DType dtype, int64_t m) {
  if (preferred() == kReference) return nullptr;
  if (!preferred().empty()) {
    if (const Kernels* k = find_kernels(preferred(), dtype)) return k;
  }
  for (const Implementation& i : kList) {
    const Kernels* k = of(i, dtype);
    if (k && m >= k->least) return k;
  }
  return nullptr;
}

void check(const Gemm& g) {
  const Epilogue& e = g.epilogue;
  if (!serves(g.dtype) || !serves(g.c_dtype) || !serves(e.bias.dtype) || !serves(e.add.dtype) ||
      !serves(e.mul.dtype)) {
    throw ValueError("gemm: operands are float32, bfloat16 or float16");
  }
  if (g.a_dtype != g.dtype && (g.a_dtype != DType::Float || g.a_transposed)) {
    throw ValueError("gemm: an a of another dtype than the product's is float32 and not transposed");
  }
}

} // namespace

const Kernels* find_kernels(const std::string& name, DType dtype) {
  for (const Implementation& i : kList) {
    if (name == i.name) return of(i, dtype);
  }
  return nullptr;
}

const Kernels* chosen_kernels(DType dtype, int64_t m) {
  constexpr int64_t kMany = 1 << 20;
  struct Choice {
    explicit Choice(DType dtype) : many(choose(dtype, kMany)), few(choose(dtype, 1)) {}
    const Kernels *many, *few;
  };
  static const Choice chosen[] = {Choice(DType::Float), Choice(DType::BFloat16),
                                  Choice(DType::Half)};
  const Choice& c = chosen[dtype == DType::Float ? 0 : dtype == DType::BFloat16 ? 1 : 2];
  return c.many && m < c.many->least ? c.few : c.many;
}

std::vector<std::string> implementations() {
  std::vector<std::string> all;
  for (const Implementation& i : kList) all.push_back(i.name);
  all.push_back(kReference);
  return all;
}

bool implementation_serves(const std::string& name, DType dtype) {
  return serves(dtype) && (name == kReference || find_kernels(name, dtype));
}

const char* chosen_implementation(DType dtype, int64_t m) {
  const Kernels* k = serves(dtype) ? chosen_kernels(dtype, m) : nullptr;
  return k ? k->name : kReference;
}

const char* activation_name(Activation activation) {
  constexpr const char* kNames[] = {"none", "relu", "gelu", "gelu_tanh", "silu"};
  return kNames[static_cast<int>(activation)];
}

void gemm(const Gemm& g) {
  check(g);
  const Kernels* k = chosen_kernels(g.dtype, g.m);
  k ? run_tiles(*k, g) : reference_gemm(g);
}

void gemm_with(const std::string& name, const Gemm& g) {
  check(g);
  if (!implementation_serves(name, g.dtype)) {
    throw ValueError(message("gemm: implementation '", name, "' does not serve this dtype on ",
                             "this processor; known are: ", names()));
  }
  const Kernels* k = find_kernels(name, g.dtype);
  k ? run_tiles(*k, g) : reference_gemm(g);
}

} // namespace xpu_lite::cpu::gemm
