// The driver of int8_gemm.h: prepares rows of a, shares tiles out to threads, and chooses
// the instruction set.

#include "backend/cpu/gemm/int8_gemm.h"

#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "backend/cpu/gemm/implementation_list.h"
#include "backend/cpu/gemm/int8_kernels.h"
#include "backend/cpu/parallel.h"

namespace xpu_lite::cpu::gemm {
namespace {

// Made at the first use: the tables of other files may not be there before.
const ImplementationList<Int8Kernels>& int8_list() {
  static const ImplementationList<Int8Kernels> list(
      "int8 gemm", {&int8_amx, &int8_avx512vnni, &int8_avx512, &int8_avx2});
  return list;
}

const Int8Kernels* int8_chosen() {
  static const Int8Kernels* const chosen = int8_list().chosen();
  return chosen;
}

struct Free {
  void operator()(void* p) const { std::free(p); }
};
using Memory = std::unique_ptr<char, Free>;

// The calling thread's, kept between calls: allocating a's copy anew would cost page faults.
char* scratch(size_t bytes) {
  thread_local Memory memory;
  thread_local size_t size = 0;
  if (bytes > size) {
    memory.reset();
    size = 0;
    const size_t rounded = (bytes + 4095) / 4096 * 4096;
    memory.reset(static_cast<char*>(std::aligned_alloc(64, rounded)));
    if (!memory) throw std::bad_alloc();
    size = rounded;
  }
  return memory.get();
}

bool is_float(Int8Input type) { return type >= Int8Input::Float; }

// What each thread computes: tiles of rows by panels, `row_parts` x `panel_parts` threads.
struct Partition {
  int64_t row_tiles, panels;
  int row_parts, panel_parts;
};

Partition divide(int64_t row_tiles, int64_t panels, int threads) {
  Partition best{row_tiles, panels, 1, 1};
  int64_t least = row_tiles * panels;
  for (int rows = 1; rows <= threads; ++rows) {
    const int columns = threads / rows;
    const int64_t most = (row_tiles + rows - 1) / rows * ((panels + columns - 1) / columns);
    if (most < least) {
      least = most;
      best.row_parts = rows;
      best.panel_parts = columns;
    }
  }
  return best;
}

// Rows of a as the kernel can read them, and their scales. Memory for the copy, if there
// is one, comes from scratch().
struct Prepared {
  Int8Rows rows{};
  bool copied = false;
  char* copy = nullptr;
  float* scale = nullptr;
  int32_t* zero = nullptr;
  int32_t* sums = nullptr;
  int32_t one_zero = 0;
};

void prepare(const Int8Kernels& kernels, const Int8Gemm& g, Prepared& p) {
  const bool is_signed = g.a_type == Int8Input::S8;
  const bool shift = is_signed && !kernels.takes_signed;
  p.copied = is_float(g.a_type) || shift || g.k % kInt8Group != 0;
  const int64_t padded = (g.k + 63) / 64 * 64 + 64;  // and not a power of two apart
  const size_t copy_bytes = p.copied ? static_cast<size_t>(g.m * padded) : 0;
  char* memory = scratch(copy_bytes + static_cast<size_t>(g.m) * 12);
  p.copy = memory;
  p.scale = reinterpret_cast<float*>(memory + copy_bytes);
  p.zero = reinterpret_cast<int32_t*>(p.scale + g.m);
  p.sums = p.zero + g.m;
  p.rows = {p.copied ? p.copy : g.a, p.copied ? padded : g.lda, is_signed && !shift,
            g.a_scale, g.a_zero, g.a_per_row ? 1 : 0, p.sums};
  if (is_float(g.a_type) && g.a_static) {
    p.one_zero = g.a_zero ? *g.a_zero : 0;
    p.rows.zero = &p.one_zero;
    p.rows.step = 0;
  } else if (is_float(g.a_type)) {
    p.rows.scale = p.scale;
    p.rows.zero = p.zero;
    p.rows.step = 1;
  } else if (!g.a_per_row) {
    p.one_zero = (g.a_zero ? *g.a_zero : 0) + (shift ? 128 : 0);
    p.rows.zero = &p.one_zero;
  } else if (shift || !g.a_zero) {
    p.rows.zero = p.zero;
  }
}

int64_t input_bytes(Int8Input type) {
  return type == Int8Input::Float ? 4 : type >= Int8Input::BFloat16 ? 2 : 1;
}

void prepare_rows(const Int8Kernels& kernels, const Int8Gemm& g, Prepared& p, int64_t first,
                  int64_t last) {
  const bool shift = g.a_type == Int8Input::S8 && !p.rows.a_signed;
  for (int64_t i = first; i < last; ++i) {
    const char* from = static_cast<const char*>(g.a) + i * g.lda * input_bytes(g.a_type);
    uint8_t* to = reinterpret_cast<uint8_t*>(p.copy) + i * p.rows.lda;
    const int64_t end = (g.k + 3) / 4 * 4;
    if (is_float(g.a_type)) {
      if (g.a_static) p.scale[i] = *g.a_scale, p.zero[i] = p.one_zero;
      kernels.quantise(
          {from, g.a_type, g.lda, g.k, end, to, p.scale + i, p.zero + i, g.a_static,
           g.a_factor});
    } else if (p.copied) {
      std::memcpy(to, from, static_cast<size_t>(g.k));
      if (shift) {
        for (int64_t j = 0; j < g.k; ++j) to[j] ^= 0x80;
      }
      for (int64_t j = g.k; j < end; ++j) to[j] = 0;
    }
    if (p.rows.zero == p.zero && !is_float(g.a_type)) {
      p.zero[i] = (g.a_zero ? g.a_zero[i] : 0) + (shift ? 128 : 0);
    }
    if (g.w_zero) {
      const auto* row = static_cast<const uint8_t*>(p.rows.a) + i * p.rows.lda;
      int32_t sum = 0;
      for (int64_t j = 0; j < g.k; ++j) {
        sum += p.rows.a_signed ? static_cast<int8_t>(row[j]) : row[j];
      }
      p.sums[i] = sum;
    }
  }
}

void run_part(const Int8Kernels& kernels, const Int8Gemm& g, const Prepared& p,
              const Partition& part, int64_t tile_rows, int id) {
  if (id >= part.row_parts * part.panel_parts) return;
  const int row_part = id % part.row_parts, panel_part = id / part.row_parts;
  const int64_t first_tile = part.row_tiles * row_part / part.row_parts;
  const int64_t last_tile = part.row_tiles * (row_part + 1) / part.row_parts;
  const int64_t first_panel = part.panels * panel_part / part.panel_parts;
  const int64_t last_panel = part.panels * (panel_part + 1) / part.panel_parts;
  const int64_t panel_bytes = int8_panel_bytes(g.k);
  const auto* panels = static_cast<const int8_t*>(g.packed);
  const auto* column_sums =
      reinterpret_cast<const int32_t*>(panels + int8_panels(g.n) * panel_bytes);
  alignas(64) int32_t sums[kInt8MostRows * kInt8Panel];
  for (int64_t panel = first_panel; panel < last_panel; ++panel) {
    const int64_t column = panel * kInt8Panel;
    for (int64_t tile = first_tile; tile < last_tile; ++tile) {
      const int64_t row = tile * tile_rows;
      const int rows = static_cast<int>(std::min(tile_rows, g.m - row));
      const char* a = static_cast<const char*>(p.rows.a) + row * p.rows.lda;
      kernels.tile({a, p.rows.lda, panels + panel * panel_bytes, g.k, sums, rows,
                    p.rows.a_signed});
      kernels.finish({&g, &p.rows, column_sums, sums, rows,
                      std::min<int64_t>(kInt8Panel, g.n - column), row, column});
    }
  }
}

// Rows of a tile such that the last one is not much smaller than the others.
int64_t even_rows(int64_t m, int64_t most, int threads) {
  int64_t tiles = (m + most - 1) / most;
  if (tiles >= threads) tiles = (tiles + threads - 1) / threads * threads;
  tiles = std::min(tiles, m);
  return (m + tiles - 1) / tiles;
}

} // namespace

void int8_run(const Int8Kernels& kernels, const Int8Gemm& g) {
  if (g.m <= 0 || g.n <= 0) return;
  Prepared p;
  prepare(kernels, g, p);
  const bool rows_first = p.copied || g.w_zero || p.rows.zero == p.zero;
  const bool alone = omp_in_parallel() || omp_get_max_threads() == 1 || g.m * g.n * g.k < 200000;
  const int threads = alone ? 1 : omp_get_max_threads();
  const int64_t panels = int8_panels(g.n);
  // Several panels for each thread: whole tiles of rows; else rows are shared out too.
  const bool by_panels = panels % threads == 0 || panels >= 8 * threads;
  const int64_t tile_rows = even_rows(g.m, kernels.rows, by_panels ? 1 : threads);
  const int64_t row_tiles = (g.m + tile_rows - 1) / tile_rows;
  const Partition part = divide(row_tiles, panels, threads);
  if (threads == 1) {
    if (rows_first) prepare_rows(kernels, g, p, 0, g.m);
    run_part(kernels, g, p, part, tile_rows, 0);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
    const int id = omp_get_thread_num(), team = omp_get_num_threads();
    if (rows_first) {
      prepare_rows(kernels, g, p, g.m * id / team, g.m * (id + 1) / team);
#pragma omp barrier
    }
    // A team may be smaller than what was asked for.
    for (int share = id; share < threads; share += team) {
      run_part(kernels, g, p, part, tile_rows, share);
    }
  }
}

std::vector<std::string> int8_implementations() { return int8_list().names(); }

bool int8_implementation_serves(const std::string& name) { return int8_list().serves(name); }

const char* int8_chosen_implementation() {
  return int8_chosen() ? int8_chosen()->name : int8_list().kReference;
}

void int8_gemm(const Int8Gemm& g) {
  const Int8Kernels* kernels = int8_chosen();
  kernels ? int8_run(*kernels, g) : int8_reference(g);
}

void int8_gemm_with(const std::string& name, const Int8Gemm& g) {
  const Int8Kernels* kernels = int8_list().named(name);
  kernels ? int8_run(*kernels, g) : int8_reference(g);
}

} // namespace xpu_lite::cpu::gemm
