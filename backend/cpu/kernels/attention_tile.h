#pragma once

// What one block of attention is made of: a small matrix product on padded
// row-major tiles, an exponential that vectorises, and the dropout mask.
// Included by kernel sources only: everything here has internal linkage.

#include <immintrin.h>

#include <cmath>
#include <cstdint>

#include "backend/cpu/kernels/scalar_types.h"

namespace xpu_lite::cpu::XPU_LITE_LEVEL {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr int kTileRows = 12; // 24 accumulators of 32 registers
#else
constexpr int kVectorBytes = 32;
constexpr int kTileRows = 6; // 12 accumulators of 16 registers
#endif

template <class T>
struct Vector {
  typedef T type __attribute__((vector_size(kVectorBytes), aligned(sizeof(T))));
  static constexpr int width = kVectorBytes / sizeof(T);
};
template <class T>
using vector_t = typename Vector<T>::type;

// Rows of every tile are padded to this many elements, so that products have no
// tail in the direction of vectors.
constexpr int64_t kPad = 32;
XPU_LITE_INLINE int64_t padded(int64_t n) { return (n + kPad - 1) / kPad * kPad; }

template <class T>
XPU_LITE_INLINE vector_t<T> load(const T* p) {
  return *reinterpret_cast<const vector_t<T>*>(p);
}
template <class T>
XPU_LITE_INLINE void store(T* p, vector_t<T> v) {
  *reinterpret_cast<vector_t<T>*>(p) = v;
}

// C[rows, 2 vectors] (+)= A * B. A is read element by element at
// a[row * row_step + k * k_step], which makes transposed reads free.
template <class T, int rows>
void product_tile(const T* a, int64_t row_step, int64_t k_step, const T* b, int64_t ldb,
                  T* c, int64_t ldc, int64_t depth, bool accumulate) {
  constexpr int width = Vector<T>::width;
  vector_t<T> sum[rows][2];
  for (int r = 0; r < rows; ++r) {
    sum[r][0] = accumulate ? load(c + r * ldc) : vector_t<T>{};
    sum[r][1] = accumulate ? load(c + r * ldc + width) : vector_t<T>{};
  }
  for (int64_t k = 0; k < depth; ++k) {
    const vector_t<T> b0 = load(b + k * ldb), b1 = load(b + k * ldb + width);
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) {
      const T x = a[r * row_step + k * k_step];
      sum[r][0] += x * b0;
      sum[r][1] += x * b1;
    }
  }
  for (int r = 0; r < rows; ++r) {
    store(c + r * ldc, sum[r][0]);
    store(c + r * ldc + width, sum[r][1]);
  }
}

template <class T, int rows>
void product_rest(int64_t left, const T* a, int64_t row_step, int64_t k_step, const T* b,
                  int64_t ldb, T* c, int64_t ldc, int64_t depth, bool accumulate) {
  if (left == rows) {
    product_tile<T, rows>(a, row_step, k_step, b, ldb, c, ldc, depth, accumulate);
  } else if constexpr (rows > 1) {
    product_rest<T, rows - 1>(left, a, row_step, k_step, b, ldb, c, ldc, depth, accumulate);
  }
}

// C[m, n] (+)= A[m, depth] * B[depth, n]; n is a multiple of kPad.
template <class T>
void product(const T* a, int64_t row_step, int64_t k_step, const T* b, int64_t ldb, T* c,
             int64_t ldc, int64_t m, int64_t n, int64_t depth, bool accumulate) {
  constexpr int64_t step = 2 * Vector<T>::width;
  static_assert(kPad % step == 0, "tiles have no column tail");
  for (int64_t j = 0; j < n; j += step) {
    int64_t i = 0;
    for (; i + kTileRows <= m; i += kTileRows) {
      product_tile<T, kTileRows>(a + i * row_step, row_step, k_step, b + j, ldb,
                                 c + i * ldc + j, ldc, depth, accumulate);
    }
    if (i < m) {
      product_rest<T, kTileRows - 1>(m - i, a + i * row_step, row_step, k_step, b + j, ldb,
                                     c + i * ldc + j, ldc, depth, accumulate);
    }
  }
}

// exp() for arguments up to 0, to 2 units in the last place; below -87.3 it is 0.
XPU_LITE_INLINE float exp_negative(float x) {
  const float bounded = x < -87.3f ? -87.3f : x;
  const float shifted = bounded * 1.44269504088896341f + 12582912.0f; // round to int
  const float n = shifted - 12582912.0f;
  float r = bounded - n * 0.693359375f;
  r -= n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  // The low bits of `shifted` hold n: add it to the exponent.
  const float y = bits_float(float_bits(p) + (float_bits(shifted) << 23));
  return x < -87.3f ? 0.0f : y;
}
XPU_LITE_INLINE double exp_negative(double x) { return ::exp(x); }

template <class T>
T row_max(const T* row, int64_t n) { // n is a multiple of kPad
  vector_t<T> most = load(row);
  for (int64_t j = Vector<T>::width; j < n; j += Vector<T>::width) {
    const vector_t<T> x = load(row + j);
    most = x > most ? x : most;
  }
  T result = most[0];
  for (int j = 1; j < Vector<T>::width; ++j) result = most[j] > result ? most[j] : result;
  return result;
}

template <class T>
T row_sum(const T* row, int64_t n) {
  vector_t<T> sum{};
  for (int64_t j = 0; j < n; j += Vector<T>::width) sum += load(row + j);
  T result = 0;
  for (int j = 0; j < Vector<T>::width; ++j) result += sum[j];
  return result;
}

// Random words: vectors of 64-bit lanes, whose low halves count. A product of low
// halves fills a lane, so a round needs no masks: what is left in high halves is
// ignored by the next product.
typedef uint64_t lanes_t __attribute__((vector_size(kVectorBytes)));
constexpr int kRandomLanes = kVectorBytes / 8;

XPU_LITE_INLINE lanes_t multiply_low(lanes_t a, lanes_t b) {
#if defined(__AVX512F__)
  return (lanes_t)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#else
  return (lanes_t)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#endif
}

// words[0, 4 * blocks): blocks first_block.. of Note [Philox layout], for two vectors
// of blocks at a time.
XPU_LITE_INLINE void random_words(uint64_t seed, uint64_t counter, uint64_t first_block,
                                  uint64_t* words) {
  lanes_t c0[2], c1[2], c2[2], c3[2];
  for (int v = 0; v < 2; ++v) {
    lanes_t block;
    for (int l = 0; l < kRandomLanes; ++l) {
      block[l] = first_block + static_cast<uint64_t>(v * kRandomLanes + l);
    }
    c0[v] = lanes_t{} + counter;
    c1[v] = lanes_t{} + (counter >> 32);
    c2[v] = block;
    c3[v] = block >> 32;
  }
  uint64_t k0 = seed & 0xffffffffu, k1 = seed >> 32;
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    for (int v = 0; v < 2; ++v) {
      const lanes_t p0 = multiply_low(lanes_t{} + uint64_t{0xD2511F53u}, c0[v]);
      const lanes_t p1 = multiply_low(lanes_t{} + uint64_t{0xCD9E8D57u}, c2[v]);
      c0[v] = (p1 >> 32) ^ c1[v] ^ k0;
      c2[v] = (p0 >> 32) ^ c3[v] ^ k1;
      c1[v] = p1;
      c3[v] = p0;
    }
    k0 = (k0 + 0x9E3779B9u) & 0xffffffffu;
    k1 = (k1 + 0xBB67AE85u) & 0xffffffffu;
  }
  for (int v = 0; v < 2; ++v) {
    const lanes_t low = (c0[v] & 0xffffffffu) | (c1[v] << 32);
    const lanes_t high = (c2[v] & 0xffffffffu) | (c3[v] << 32);
    for (int l = 0; l < kRandomLanes; ++l) {
      words[2 * (v * kRandomLanes + l)] = low[l];
      words[2 * (v * kRandomLanes + l) + 1] = high[l];
    }
  }
}

// Multiplies `row`, the weights of one query for keys [first, first + n), by their
// dropout factors: 0, or 1 / (1 - dropout). `first` is a multiple of 4, n of kPad, and
// row_index counts queries over all batches and heads. Blocks of random words are
// numbered as Note [Philox layout] says, with each row starting a new block.
template <class T>
void apply_dropout(T* row, int64_t n, int64_t first, uint64_t row_index, uint64_t row_groups,
                   uint64_t seed, uint64_t offset, uint32_t kept, T factor) {
  constexpr int kWords = 2 * kRandomLanes * 4;
  static_assert(kPad % (kWords / 2) == 0, "half a batch of words fits a row");
  for (int64_t j = 0; j < n; j += kWords) {
    uint64_t pairs[kWords / 2];
    random_words(seed, offset / 4, row_index * row_groups + static_cast<uint64_t>((first + j) / 4),
                 pairs);
    uint32_t words[kWords];
    __builtin_memcpy(words, pairs, sizeof(words));
    T* const at = row + j;
    const int64_t count = n - j < kWords ? n - j : kWords;
    for (int64_t i = 0; i < count; ++i) at[i] *= words[i] < kept ? factor : T(0);
  }
}

} // namespace
} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
