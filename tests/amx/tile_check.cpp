// Runs the library's own tile kernels over shapes up to 3 tiles in each dimension and
// prints a checksum for each row count and k; the checksum covers all column counts and
// a rim around c that must stay as it was. Two implementations agree if and only if
// their outputs are the same text. Freestanding.
//
// Compiled with CHECK_KERNEL (tile_gemm_amx, tile_gemm_avx512 or tile_gemm_model), and
// optionally CHECK_INT8_BITS=7 (values 0 to 127: for an emulator that ignores the sign of
// int8), CHECK_SHAPES (0: a sample; 1: the ragged ones; 2: every m, n and k up to 3 tiles),
// CHECK_PRODUCTS (bits in the order of TileProduct).

#include "backend/cpu/amx/tile_gemm.h"
#include "tests/amx/bare.h"

#ifndef CHECK_INT8_BITS
#define CHECK_INT8_BITS 8
#endif

#ifndef CHECK_SHAPES
#define CHECK_SHAPES 1
#endif
#ifndef CHECK_PRODUCTS
#define CHECK_PRODUCTS 0x3d  // all but fp16
#endif

using namespace xpu_lite::cpu::amx;

namespace {

constexpr int kMost = 48, kRim = 1, kRow = kMost + 16;  // c's rows, in elements
constexpr int kRowBytes = 3 * kTileRowBytes + 8;        // a's rows: not a multiple of 64

alignas(64) uint8_t a[kMost * kRowBytes];
alignas(64) uint8_t b[3 * 16 * 3 * kTileRowBytes];
alignas(64) uint32_t c[(kMost + kRim) * kRow];
TileState state;
uint32_t seed;

uint32_t next() { return (seed = seed * 1664525u + 1013904223u) >> 8; }

uint32_t bits_of(float f) {
  uint32_t u;
  __builtin_memcpy(&u, &f, 4);
  return u;
}
float float_of(uint32_t u) {
  float f;
  __builtin_memcpy(&f, &u, 4);
  return f;
}

enum class Data { whole, real };  // whole numbers: sums are exact in any order

uint32_t element(TileProduct product, Data data) {
  if (tile_element_bytes(product) == 1) return next() & ((1u << CHECK_INT8_BITS) - 1);
  const int value = static_cast<int>(next() % 65) - 32;
  if (product == TileProduct::bf16) {
    if (data == Data::real) return 0x3e00 + (next() & 0x81ff);
    return bits_of(static_cast<float>(value)) >> 16;
  }
  if (value == 0) return 0;
  const uint32_t f = bits_of(static_cast<float>(value));  // to binary16, exactly
  return ((f >> 16) & 0x8000) | ((((f >> 23) & 255) - 112) << 10) | ((f >> 13) & 1023);
}

void fill(TileProduct product, Data data, int k) {
  const int bytes = tile_element_bytes(product), group = 4 / bytes;
  seed = 77u + static_cast<uint32_t>(k);
  for (auto& byte : a) byte = 0xff;  // beyond k: a NaN, or 255
  for (auto& byte : b) byte = 0;
  for (int m = 0; m < kMost; ++m) {
    for (int i = 0; i < k; ++i) {
      const uint32_t v = element(product, data);
      __builtin_memcpy(a + m * kRowBytes + i * bytes, &v, static_cast<unsigned>(bytes));
    }
  }
  for (int i = 0; i < k; ++i) {
    for (int n = 0; n < kMost; ++n) {
      const uint32_t v = element(product, data);
      __builtin_memcpy(b + (i / group * kMost + n) * 4 + i % group * bytes, &v,
                       static_cast<unsigned>(bytes));
    }
  }
}

void multiply(TileProduct product, int m, int n, int k, bool accumulate) {
  const TileGemm g{m, n, k, a, kRowBytes, b, kMost * 4, 64, c, kRow * 4, accumulate};
  for (int i = 0; i < m + kRim; ++i) {
    for (int j = 0; j < n + kRim; ++j) {
      const float start = static_cast<float>(i - j);
      c[i * kRow + j] = tile_element_bytes(product) == 1 ? static_cast<uint32_t>(i * 99 - j)
                                                         : bits_of(start);
    }
  }
  CHECK_KERNEL(product, g, state);
}

void add_to(uint64_t& sum, int m, int n) {
  for (int i = 0; i < m + kRim; ++i) {
    for (int j = 0; j < n + kRim; ++j) sum = (sum ^ c[i * kRow + j]) * 0x100000001b3ull;
  }
}

bool ragged(int v) {
  const int r = v % 16;
  return r == 0 || r == 1 || r == 15 || v == 7;
}

// The edges of a step of k, of the group, and of the byte.
bool ragged_k(int k, int step) {
  const int r = k % step;
  return k <= 5 || r == 0 || r == 1 || r == step - 1 || k == step + 7;
}

// Every pair of m and n with one k, every k with four pairs.
bool sampled(int m, int n, int k, int step) {
  return k == step + 7 || (m == 1 && n == 1) || (m == 17 && n == 33) || (m == 31 && n == 15) ||
         (m == 48 && n == 48);
}

int shapes;

void checksums(TileProduct product, const char* name) {
  if (!(CHECK_PRODUCTS >> static_cast<int>(product) & 1)) return;
  const int step = kTileRowBytes / tile_element_bytes(product);
  for (int k = 1; k <= 3 * step; ++k) {
    if (CHECK_SHAPES < 2 && !ragged_k(k, step)) continue;
    fill(product, Data::whole, k);
    for (int m = 1; m <= kMost; ++m) {
      if (CHECK_SHAPES < 2 && !ragged(m)) continue;
      uint64_t sum = 14695981039346656037ull;
      for (int n = 1; n <= kMost; ++n) {
        if (CHECK_SHAPES < 2 && !ragged(n)) continue;
        if (CHECK_SHAPES < 1 && !sampled(m, n, k, step)) continue;
        ++shapes;
        multiply(product, m, n, k, ((m + n + k) & 1) != 0);
        add_to(sum, m, n);
      }
      emu_puts(name);
      emu_puts(" k ");
      emu_int(k);
      emu_puts(" m ");
      emu_int(m);
      emu_puts(": ");
      emu_int(static_cast<int64_t>(sum >> 2));
      emu_puts("\n");
    }
  }
}

// Real bfloat16 values against sums in double: the order of sums is not prescribed.
int real_values() {
  int wrong = 0;
  constexpr int kDepths[] = {1, 2, 7, 33, 96}, kColumns[] = {5, 31};
  for (int k : kDepths) {
    fill(TileProduct::bf16, Data::real, k);
    for (int n : kColumns) {
      const int m = kMost - n + 3;
      multiply(TileProduct::bf16, m, n, k, true);
      for (int i = 0; i < m; ++i) {
        for (int j = 0; j < n; ++j) {
          double sum = i - j, size = 100;
          for (int p = 0; p < k; ++p) {
            uint16_t x, y;
            __builtin_memcpy(&x, a + i * kRowBytes + p * 2, 2);
            __builtin_memcpy(&y, b + (p / 2 * kMost + j) * 4 + p % 2 * 2, 2);
            const double product = static_cast<double>(float_of(uint32_t{x} << 16)) *
                                   static_cast<double>(float_of(uint32_t{y} << 16));
            sum += product;
            size += product < 0 ? -product : product;
          }
          const double off = sum - static_cast<double>(float_of(c[i * kRow + j]));
          wrong += !((off < 0 ? -off : off) <= 1e-6 * size);
        }
      }
    }
  }
  return wrong;
}

} // namespace

int emu_main(void) {
  checksums(TileProduct::bf16, "bf16");
  checksums(TileProduct::fp16, "fp16");
  checksums(TileProduct::s8s8, "s8s8");
  checksums(TileProduct::s8u8, "s8u8");
  checksums(TileProduct::u8s8, "u8s8");
  checksums(TileProduct::u8u8, "u8u8");
  int wrong = 0;
  if (CHECK_PRODUCTS & 1) {
    wrong = real_values();
    emu_puts("bf16 real values, wrong elements: ");
    emu_int(wrong);
    emu_puts("\n");
  }
  emu_puts("shapes: ");
  emu_int(shapes);
  emu_puts("\n");
#ifdef CHECK_NEEDS_TILES
  tile_release_amx(state);
#endif
  return wrong != 0;
}
