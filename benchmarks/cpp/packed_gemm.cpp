// The GEMM for packed weights in a plain C++ program: the other side of
// benchmarks/gemm.py. Reads one line per measurement,
//   DTYPE M N K WEIGHTS REPEATS IMPLEMENTATION ACTIVATION
// (WEIGHTS different ones in turn: more than the caches hold shows a model's layers;
// IMPLEMENTATION may be "auto"), and answers with the seconds of one product, bias and
// activation included. Memory is on huge pages, as the engine's allocator has it.

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "backend/cpu/gemm/packed_gemm.h"
#include "backend/cpu/kernels/scalar_types.h"

namespace {

namespace gemm = xpu_lite::cpu::gemm;
using xpu_lite::cpu::DType;

struct Free {
  void operator()(void* p) const { std::free(p); }
};
using Memory = std::unique_ptr<void, Free>;

Memory allocate(size_t bytes) {
  const size_t huge = size_t{2} << 20, page = bytes < huge ? 4096 : huge;
  bytes = std::max<size_t>(1, (bytes + page - 1) / page) * page;
  Memory memory(std::aligned_alloc(page, bytes));
  if (!memory) std::exit(2);
  if (page == huge) madvise(memory.get(), bytes, MADV_HUGEPAGE);
  return memory;
}

Memory numbers(DType dtype, int64_t count) {
  Memory memory = allocate(static_cast<size_t>(count) * xpu_lite::cpu::dtype_size(dtype));
  unsigned state = 1;
  for (int64_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    const float x = static_cast<float>(static_cast<int>(state >> 8) % 1000) * 1e-3f - 0.5f;
    if (dtype == DType::Float) {
      static_cast<float*>(memory.get())[i] = x;
    } else if (dtype == DType::BFloat16) {
      static_cast<xpu_lite::cpu::bfloat16*>(memory.get())[i] = xpu_lite::cpu::bfloat16(x);
    } else {
      static_cast<xpu_lite::cpu::half*>(memory.get())[i] = xpu_lite::cpu::half(x);
    }
  }
  return memory;
}

struct Case {
  std::string dtype, implementation, activation;
  int64_t m, n, k;
  int weights;
  bool operator==(const Case&) const = default;
};

class Problem {
 public:
  explicit Problem(const Case& c) : c_(c) {
    const DType dtype = c.dtype == "f32" ? DType::Float
        : c.dtype == "bf16"              ? DType::BFloat16
                                         : DType::Half;
    a_ = numbers(dtype, c.m * c.k);
    out_ = numbers(dtype, c.m * c.n);
    bias_ = numbers(dtype, c.n);
    const Memory weight = numbers(dtype, c.n * c.k);
    bytes_ = (gemm::packed_bytes(dtype, c.n, c.k) + 4095) / 4096 * 4096;
    packed_ = allocate(bytes_ * static_cast<size_t>(c.weights));
    for (int i = 0; i < c.weights; ++i) {
      gemm::pack({dtype, c.n, c.k, weight.get(), dtype, c.k, 1}, panels(i));
    }
    g_ = {dtype, c.m, c.n, c.k, a_.get(), c.k, nullptr, out_.get(), c.n, dtype};
    g_.epilogue.bias = {bias_.get(), dtype};
    for (int i = 0; i < 5; ++i) {
      const auto activation = static_cast<gemm::Activation>(i);
      if (c.activation == gemm::activation_name(activation)) g_.epilogue.activation = activation;
    }
  }

  const Case& of() const { return c_; }
  void run(int i) {
    g_.packed = panels(i % c_.weights);
    c_.implementation == "auto" ? gemm::gemm(g_) : gemm::gemm_with(c_.implementation, g_);
  }

 private:
  char* panels(int i) {
    return static_cast<char*>(packed_.get()) + bytes_ * static_cast<size_t>(i);
  }
  Case c_;
  Memory a_, out_, bias_, packed_;
  size_t bytes_ = 0;
  gemm::Gemm g_;
};

double seconds(const Case& c, int repeats) {
  static std::unique_ptr<Problem> problem;
  if (!problem || !(problem->of() == c)) problem = std::make_unique<Problem>(c);
  problem->run(0);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) problem->run(i + 1);
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  return time.count() / repeats;
}

} // namespace

int main() {
  char dtype[16], implementation[32], activation[16];
  long m, n, k;
  int weights, repeats;
  while (std::scanf("%15s %ld %ld %ld %d %d %31s %15s", dtype, &m, &n, &k, &weights, &repeats,
                    implementation, activation) == 8) {
    if (m < 1 || n < 1 || k < 1 || weights < 1 || repeats < 1) return 1;
    const Case c{dtype, implementation, activation, m, n, k, weights};
    std::printf("%.9g\n", seconds(c, repeats));
    std::fflush(stdout);
  }
}
