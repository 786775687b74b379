// The driver of weight_only.h: packing, threads, choice.

#include "backend/cpu/gemm/weight_only.h"

#include <omp.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "backend/cpu/gemm/implementation_list.h"
#include "backend/cpu/gemm/weight_only_kernels.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/cpu/parallel.h"
#include "backend/runtime/error.h"

namespace xpu_lite::cpu::gemm {
namespace {

// Made at the first use: the tables of other files may not be there before.
const ImplementationList<WeightOnlyKernels>& weight_only_list() {
  static const ImplementationList<WeightOnlyKernels> list(
      "weight-only gemm", {&weight_only_avx512bf16, &weight_only_avx512, &weight_only_avx2});
  return list;
}

const WeightOnlyKernels* weight_only_best() {
  static const WeightOnlyKernels* const chosen = weight_only_list().chosen();
  return chosen;
}

int64_t weight_panels(int64_t n) { return (n + kWeightColumns - 1) / kWeightColumns; }

struct FreeMemory {
  void operator()(void* p) const { std::free(p); }
};

char* staging(size_t bytes) {  // the calling thread's, kept between calls
  thread_local std::unique_ptr<char, FreeMemory> memory;
  thread_local size_t size = 0;
  if (bytes > size) {
    size = 0;
    const size_t rounded = (bytes + 4095) / 4096 * 4096;
    memory.reset(static_cast<char*>(std::aligned_alloc(64, rounded)));
    if (!memory) throw std::bad_alloc();
    size = rounded;
  }
  return memory.get();
}

// Several sums side by side: one would wait for its own last addition at every step.
template <class T>
float sum_of(const T* a, int64_t count) {
  float parts[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int j = 0; j < 8; ++j) parts[j] += static_cast<float>(a[i + j]);
  }
  for (; i < count; ++i) parts[0] += static_cast<float>(a[i]);
  return ((parts[0] + parts[1]) + (parts[2] + parts[3])) +
      ((parts[4] + parts[5]) + (parts[6] + parts[7]));
}

void sum_groups(const WeightOnlyTile& t, bool pairs, int64_t rows, float* sums) {
  const WeightOnlyShape& s = *t.shape;
  const int64_t step = s.units * s.unit;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t g = 0; g < s.groups; ++g) {
      const int64_t end = std::min(s.k_padded, (g + 1) * step);
      const int64_t begin = g * step;
      sums[i * s.groups + g] =
          pairs ? sum_of(static_cast<const bfloat16*>(t.a) + i * t.lda + begin, end - begin)
                : sum_of(static_cast<const float*>(t.a) + i * t.lda + begin, end - begin);
    }
  }
}

void weight_only_run(const WeightOnlyKernels& kernels, const WeightOnlyGemm& g) {
  if (g.m <= 0 || g.n <= 0) return;
  const WeightOnlyShape shape = weight_only_shape(g.bits, g.k, g.group, g.zeros);
  const bool pairs = g.bits == 4 && kernels.pairs && g.a_dtype == DType::BFloat16;
  const DType to = pairs ? DType::BFloat16 : DType::Float;
  const bool direct = g.a_dtype == to && shape.k_padded == g.k;
  const int64_t lda = direct ? g.lda : shape.k_padded + 16;
  const size_t copy = direct ? 0 : static_cast<size_t>(g.m * lda) * (pairs ? 2 : 4);
  const size_t sums_at = (copy + 63) / 64 * 64;
  char* memory = staging(sums_at + (g.zeros ? static_cast<size_t>(g.m * shape.groups) * 4 : 0));
  WeightOnlyTile all{&shape, direct ? g.a : memory, lda,
                     g.zeros ? reinterpret_cast<float*>(memory + sums_at) : nullptr,
                     static_cast<const char*>(g.packed), nullptr, 0, g.zeros};
  if (!direct) {
    Stage stage{};
    stage.a = g.a;
    stage.dtype = g.a_dtype;
    stage.lda = g.lda;
    stage.rows = g.m;
    stage.k = g.k;
    stage.k_padded = shape.k_padded;
    stage.out = memory;
    stage.to = to;
    stage.ld = lda;
    kernels.stage(stage);
  }
  if (g.zeros) sum_groups(all, pairs, g.m, reinterpret_cast<float*>(memory + sums_at));

  Gemm result{};  // what finish() looks at
  result.c = g.c;
  result.ldc = g.ldc;
  result.c_dtype = g.c_dtype;
  result.epilogue = g.epilogue;
  const auto tile = g.bits == 8 ? kernels.tile8 : pairs ? kernels.tile4_pairs : kernels.tile4;
  const int64_t element = pairs ? 2 : 4;
  // Rows in pieces whose sums and a fit the nearest cache beside a panel.
  constexpr int64_t kRows = 32;
  const int64_t blocks = (g.n + kPanel - 1) / kPanel;
  const int64_t grain = 1 + 100000 / (g.m * g.k * kPanel / 16 + 1);
  parallel_for(0, blocks, grain, [&](int64_t first, int64_t last) {
    alignas(64) float sums[kRows * kPanel];
    for (int64_t block = first; block < last; ++block) {
      const int64_t column = block * kPanel;
      const int64_t columns = std::min<int64_t>(kPanel, g.n - column);
      for (int64_t row = 0; row < g.m; row += kRows) {
        WeightOnlyTile t = all;
        t.rows = static_cast<int>(std::min(kRows, g.m - row));
        t.a = static_cast<const char*>(all.a) + row * lda * element;
        if (g.zeros) t.a_sums = all.a_sums + row * shape.groups;
        for (int64_t part = 0; part < columns; part += kWeightColumns) {
          t.panel = all.panel + (column + part) / kWeightColumns * shape.panel_bytes;
          t.sums = sums + part;
          tile(t);
        }
        kernels.finish({&result, sums, std::min(kRows, g.m - row), columns, row, column});
      }
    }
  });
}

} // namespace

size_t weight_only_bytes(int bits, int64_t n, int64_t k, int64_t group, bool zeros) {
  return static_cast<size_t>(weight_panels(n) *
                             weight_only_shape(bits, k, group, zeros).panel_bytes);
}

void weight_only_pack(const WeightOnlyWeight& w, void* out) {
  if (w.bits != 4 && w.bits != 8) {
    throw ValueError(message("weight-only packing: bits must be 4 or 8, not ", w.bits));
  }
  if (w.group < 1 || (w.group % 8 != 0 && w.group < w.k)) {
    throw ValueError(message("weight-only packing: group must be a multiple of 8 or at least k = ",
                             w.k, ", not ", w.group));
  }
  const WeightOnlyShape s = weight_only_shape(w.bits, w.k, w.group, w.zero != nullptr);
  std::memset(out, 0, weight_only_bytes(w.bits, w.n, w.k, w.group, w.zero != nullptr));
  parallel_for(0, weight_panels(w.n), 1, [&](int64_t first, int64_t last) {
    for (int64_t panel = first; panel < last; ++panel) {
      char* to = static_cast<char*>(out) + panel * s.panel_bytes;
      const int64_t columns = std::min<int64_t>(kWeightColumns, w.n - panel * kWeightColumns);
      for (int64_t g = 0; g < s.groups; ++g) {
        float* scale = reinterpret_cast<float*>(to);
        to += s.header_bytes;
        const int64_t begin = g * s.units * s.unit;
        const int64_t end = std::min(w.k, begin + s.units * s.unit);
        for (int64_t c = 0; c < columns; ++c) {
          const int64_t column = panel * kWeightColumns + c;
          scale[c] = w.scale[column * s.groups + g];
          if (w.zero) scale[kWeightColumns + c] = scale[c] * w.zero[column * s.groups + g];
          for (int64_t p = begin; p < end; ++p) {
            const int64_t step = (p - begin) % s.unit;
            uint32_t* word = reinterpret_cast<uint32_t*>(to + (p - begin) / s.unit * 64) + c;
            const int8_t q = w.q[column * w.k + p];
            if (w.bits == 8) {
              *word |= uint32_t{static_cast<uint8_t>(q)} << (8 * step);
            } else {
              *word |= static_cast<uint32_t>((q + 8) & 15) << (step / 2 * 4 + step % 2 * 16);
            }
          }
        }
        to += (g + 1 < s.groups ? s.units : s.last_units) * 64;
      }
    }
  });
}

std::vector<std::string> weight_only_implementations() { return weight_only_list().names(); }

bool weight_only_serves(const std::string& name) { return weight_only_list().serves(name); }

const char* weight_only_chosen() {
  return weight_only_best() ? weight_only_best()->name : weight_only_list().kReference;
}

void weight_only_gemm(const WeightOnlyGemm& g) {
  const WeightOnlyKernels* kernels = weight_only_best();
  kernels ? weight_only_run(*kernels, g) : weight_only_reference(g);
}

void weight_only_gemm_with(const std::string& name, const WeightOnlyGemm& g) {
  const WeightOnlyKernels* kernels = weight_only_list().named(name);
  kernels ? weight_only_run(*kernels, g) : weight_only_reference(g);
}

} // namespace xpu_lite::cpu::gemm
