// What this machine's int8 multiply-adds reach from registers, what the packed int8
// product makes of that at BERT-base's and ResNet-50's shapes, and how fast weight-only
// products of one row read their weights.
//
//   OMP_NUM_THREADS=2 bench_int8_gemm

#include <immintrin.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "backend/cpu/gemm/int8_gemm.h"
#include "backend/cpu/gemm/weight_only.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/runtime/cpu_features.h"

namespace {

using namespace xpu_lite;
using namespace xpu_lite::cpu;
using namespace xpu_lite::cpu::gemm;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Least seconds of one call: of the bound and of what is compared with it alike, so that
// other programs on the machine spoil neither.
template <class Body>
double seconds(const Body& body, double budget = 0.25) {
  body();
  double best = 1e9;
  const double end = now() + budget;
  for (int calls = 0; calls < 5 || now() < end; ++calls) {
    const double start = now();
    body();
    best = std::min(best, now() - start);
  }
  return best;
}

struct Memory {
  explicit Memory(size_t bytes)
      : data(static_cast<char*>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096)), std::free) {
    std::memset(data.get(), 1, bytes);
  }
  std::unique_ptr<char, void (*)(void*)> data;
};

// 28 sums, as in the kernel; no memory is touched.
__attribute__((target("avx512f,avx512bw,avx512vnni"), noinline)) int register_loop(int64_t steps) {
  __m512i sum[28], a = _mm512_set1_epi32(0x01020304), b = _mm512_set1_epi32(0x04030201);
#pragma GCC unroll 28
  for (int r = 0; r < 28; ++r) sum[r] = _mm512_setzero_si512();
  for (int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 28
    for (int r = 0; r < 28; ++r) sum[r] = _mm512_dpbusd_epi32(sum[r], a, b);
    __asm__ volatile("" : "+v"(a), "+v"(b));
  }
  __m512i all = sum[0];
#pragma GCC unroll 28
  for (int r = 1; r < 28; ++r) all = _mm512_add_epi32(all, sum[r]);
  return _mm512_reduce_add_epi32(all);
}

double int8_bound() {
  constexpr int64_t kSteps = 50000;
  const double t = seconds([] {
    int total = 0;
#pragma omp parallel reduction(+ : total)
    total += register_loop(kSteps);
    [[maybe_unused]] static volatile int sink;
    sink = total;
  });
  return 2.0 * 64 * 28 * kSteps * omp_get_max_threads() / t / 1e9;
}

void int8_rows(double bound) {
  struct Shape {
    const char* what;
    int64_t m, n, k;
  };
  const Shape shapes[] = {
      {"BERT b1 qkv", 128, 2304, 768},    {"BERT b1 output", 128, 768, 768},
      {"BERT b1 up", 128, 3072, 768},     {"BERT b1 down", 128, 768, 3072},
      {"BERT b8 qkv", 1024, 2304, 768},   {"BERT b8 up", 1024, 3072, 768},
      {"BERT b8 down", 1024, 768, 3072},  {"ResNet 56x56 64-256", 3136, 256, 64},
      {"ResNet 28x28 512-128", 784, 128, 512}, {"ResNet 14x14 1024-256", 196, 256, 1024},
      {"ResNet 7x7 512-2048", 49, 2048, 512}};
  std::printf("\n%-24s %22s %22s\n", "", "u8 in, u8 out, ReLU", "bf16 in (dynamic) and out");
  for (const Shape& s : shapes) {
    Memory a(static_cast<size_t>(s.m * s.k)), a16(static_cast<size_t>(s.m * s.k * 2)),
        w(static_cast<size_t>(s.n * s.k)), packed(int8_packed_bytes(s.n, s.k)),
        c(static_cast<size_t>(s.m * s.n * 2));
    int8_pack({s.n, s.k, reinterpret_cast<int8_t*>(w.data.get()), s.k, 1}, packed.data.get());
    std::vector<float> scale(static_cast<size_t>(s.n), 0.01f), bias(scale);
    const float a_scale = 0.02f;
    const int32_t zero = 3;
    Int8Gemm g{s.m, s.n, s.k, a.data.get(), s.k, Int8Input::U8, packed.data.get(), c.data.get(), s.n,
               Int8Output::U8};
    g.a_scale = &a_scale;
    g.a_zero = &zero;
    g.w_scale = scale.data();
    g.c_scale = 1;
    g.epilogue.bias = {bias.data(), DType::Float};
    g.epilogue.activation = Activation::ReLU;
    const double operations = 2e-9 * static_cast<double>(s.m * s.n * s.k);
    const double fixed = operations / seconds([&] { int8_gemm(g); });
    g.a = a16.data.get();
    g.a_type = Int8Input::BFloat16;
    g.c_type = Int8Output::BFloat16;
    g.epilogue.activation = Activation::None;
    const double dynamic = operations / seconds([&] { int8_gemm(g); });
    std::printf("%-24s %8.0f GOP/s %4.0f %% %8.0f GOP/s %4.0f %%\n", s.what, fixed,
                100 * fixed / bound, dynamic, 100 * dynamic / bound);
  }
}

double read_bandwidth() {
  const size_t bytes = size_t{256} << 20;
  Memory memory(bytes);
  const auto* words = reinterpret_cast<const uint64_t*>(memory.data.get());
  const int64_t count = static_cast<int64_t>(bytes / 8);
  const double t = seconds([&] {
    uint64_t sum = 0;
#pragma omp parallel for simd reduction(+ : sum)
    for (int64_t i = 0; i < count; ++i) sum += words[i];
    [[maybe_unused]] static volatile uint64_t sink;
    sink = sum;
  }, 0.5);
  return static_cast<double>(bytes) / t / 1e9;
}

void weight_only_rows() {
  const double bandwidth = read_bandwidth();
  std::printf("\nreading memory: %.1f GB/s\nweight-only, one row, 4096 x 16384 weights (GB/s of packed weights)\n", bandwidth);
  const int64_t n = 16384, k = 4096;
  std::vector<int8_t> q(static_cast<size_t>(n * k), 1);
  for (int bits : {8, 4}) {
    for (int64_t group : {32, 128}) {
      const std::vector<float> scale(static_cast<size_t>(n * k / group), 0.01f);
      const size_t bytes = weight_only_bytes(bits, n, k, group, false);
      Memory packed(bytes), a(static_cast<size_t>(k * 4 * 8)), c(static_cast<size_t>(n * 4 * 8));
      weight_only_pack({bits, n, k, group, q.data(), scale.data(), nullptr}, packed.data.get());
      for (DType type : {DType::BFloat16, DType::Float}) {
        for (int64_t m : {1, 4}) {
          const WeightOnlyGemm g{bits, m, n, k, group, false, a.data.get(), k, type, packed.data.get(), c.data.get(), n, type};
          const double t = seconds([&] { weight_only_gemm(g); }, 0.4);
          std::printf("int%d group %3d %s m %d: %6.2f ms, %5.1f GB/s, %3.0f %% of memory\n", bits, int(group),
                      type == DType::Float ? "float32 " : "bfloat16", int(m), t * 1e3,
                      static_cast<double>(bytes) / t / 1e9, 100 * static_cast<double>(bytes) / t / 1e9 / bandwidth);
        }
      }
    }
  }
  // A product of many rows, against its multiply-adds.
  for (int bits : {8, 4}) {
    const int64_t m = 128, columns = 3072, depth = 768;
    const std::vector<float> scale(static_cast<size_t>(columns * depth / 128), 0.01f);
    Memory packed(weight_only_bytes(bits, columns, depth, 128, false)),
        a(static_cast<size_t>(m * depth * 4)), c(static_cast<size_t>(m * columns * 4));
    weight_only_pack({bits, columns, depth, 128, q.data(), scale.data(), nullptr}, packed.data.get());
    const WeightOnlyGemm g{bits, m, columns, depth, 128, false, a.data.get(), depth, DType::BFloat16, packed.data.get(), c.data.get(), columns, DType::BFloat16};
    const double t = seconds([&] { weight_only_gemm(g); });
    std::printf("int%d bfloat16 %dx%dx%d: %.0f GFLOP/s\n", bits, int(m), int(columns), int(depth),
                2e-9 * static_cast<double>(m * columns * depth) / t);
  }
}

} // namespace

int main(int argc, char** argv) {
  const char* part = argc > 1 ? argv[1] : "all";
  std::printf("%s, %s, %d threads; int8: %s, weight-only: %s\n", cpu_name().c_str(), isa_name(isa()),
              omp_get_max_threads(), int8_chosen_implementation(), weight_only_chosen());
  if (std::strcmp(part, "weight_only") != 0) {
    double bound = 0;
    if (isa() >= Isa::Avx512Vnni) {
      bound = int8_bound();
      std::printf("int8 multiply-adds from registers (VPDPBUSD): %.0f GOP/s\n", bound);
    }
    int8_rows(bound);
  }
  if (std::strcmp(part, "int8") != 0) weight_only_rows();
}
